from __future__ import annotations

import base64
import json

import pytest

from fastring.errors import ProtocolError
from fastring.events import Audio, DeclareSource, Finalize, Pong, SourceEvent, SpeechEnded
from fastring.protocols.native_sources import SourcesCodec


def message(**fields: object) -> str:
    return json.dumps(fields)


def audio(source: str, n_bytes: int, **more: object) -> str:
    return message(type="audio", source=source, data=base64.b64encode(bytes(n_bytes)).decode(), **more)


def test_a_source_is_declared() -> None:
    codec = SourcesCodec("c")
    said = message(type="source", source="mic", priority=3, sample_rate=48_000, channels=2)
    assert codec.decode(said) == [DeclareSource("mic", 3, 48_000, 2)]
    assert codec.decode(message(type="source", source="line")) == [DeclareSource("line", 0, None, None)]


def test_each_source_has_frames_of_its_own() -> None:
    codec = SourcesCodec("c")
    codec.decode(message(type="source", source="stereo", channels=2))
    assert codec.decode(audio("mono", 6)) == [Audio(bytes(6), "mono")]
    with pytest.raises(ProtocolError) as caught:
        codec.decode(audio("stereo", 6))
    assert caught.value.code == "partial_frame"
    assert codec.decode(bytes(6)) == [Audio(bytes(6), "system")]


def test_a_source_that_has_begun_keeps_its_frames_whatever_is_declared() -> None:
    """The declaration is refused, and its audio goes on as before."""
    codec = SourcesCodec("c")
    codec.decode(audio("heard", 2))
    codec.decode(message(type="source", source="declared"))
    for source in ("heard", "declared"):
        codec.decode(message(type="source", source=source, channels=2))
        assert codec.decode(audio(source, 6)) == [Audio(bytes(6), source)]


def test_refused_audio_begins_no_source() -> None:
    codec = SourcesCodec("c")
    with pytest.raises(ProtocolError):
        codec.decode(audio("mic", 3))
    codec.decode(message(type="source", source="mic", channels=2))
    assert codec.decode(audio("mic", 8)) == [Audio(bytes(8), "mic")]
    with pytest.raises(ProtocolError):
        codec.decode(audio("mic", 6))


@pytest.mark.parametrize(
    "fields",
    [
        {"source": "a b"},
        {"source": 3},
        {"priority": 1001},
        {"priority": 0.5},
        {"priority": True},
        {"sample_rate": 7_999},
        {"channels": 0},
        {"channels": "two"},
    ],
)
def test_what_cannot_be_declared(fields: dict[str, object]) -> None:
    with pytest.raises(ProtocolError) as caught:
        SourcesCodec("c").decode(message(**{"type": "source", "source": "mic", **fields}))
    assert caught.value.code == "invalid_field"


def test_declarations_are_bounded() -> None:
    codec = SourcesCodec("c", max_sources=2)
    for source in ("a", "b", "a"):
        codec.decode(message(type="source", source=source, channels=1))
    with pytest.raises(ProtocolError, match=r"server\.max_sources"):
        codec.decode(message(type="source", source="c", channels=1))


def test_one_source_or_all_are_finalized() -> None:
    codec = SourcesCodec("c")
    assert codec.decode(message(type="finalize")) == [Finalize()]
    assert codec.decode(message(type="finalize", source="mic")) == [Finalize(source="mic")]


def test_gaps_are_counted_by_source() -> None:
    codec = SourcesCodec("c")
    for source, number, missing in [("a", 1, 0), ("b", 7, 0), ("a", 4, 2), ("b", 8, 0)]:
        assert codec.decode(audio(source, 2, seq=number)) == [Audio(bytes(2), source, number, missing)]
    assert codec.counters.seq_gaps == 2


def test_what_a_source_says_bears_its_name() -> None:
    codec = SourcesCodec("c")
    (said,) = codec.encode(SourceEvent("mic", SpeechEnded(4, 1, 16_000)))
    assert json.loads(str(said)) == {
        "type": "speech_ended",
        "stream_id": "c",
        "source": "mic",
        "seq": 4,
        "utterance": 1,
        "end": 1.0,
    }
    assert "source" not in json.loads(str(codec.encode(Pong())[0]))
