from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.audio.format import AudioFormat
from fastring.errors import ProtocolError
from fastring.events import Audio, Configure, Echo, Failure, Final, Finalize, Latency, Partial
from fastring.protocols.wyoming import WyomingCodec, info_of

INFO = info_of("digits", ("en",), "1.0")
NO_TIME = Latency(0, 0, 0, 0)


def wire(kind: str, data: dict[str, Any] | None = None, payload: bytes = b"", *, inline: bool = False) -> bytes:
    body = json.dumps(data).encode() if data is not None and not inline else b""
    header: dict[str, Any] = {"type": kind, "version": "1.10.2"}
    if inline:
        header["data"] = data
    if body:
        header["data_length"] = len(body)
    if payload:
        header["payload_length"] = len(payload)
    return json.dumps(header).encode() + b"\n" + body + payload


AUDIO = {"rate": 16_000, "width": 2, "channels": 1}
CONVERSATION = b"".join(
    [
        wire("describe"),
        wire("ping", {"text": "a\nb"}),
        wire("transcribe", {"language": "en"}),
        wire("audio-start", {**AUDIO, "timestamp": 0}),
        wire("audio-chunk", AUDIO, b"\x01\x02" * 200),
        wire("something-new", {"x": 1}, b"ignored"),
        wire("audio-chunk", AUDIO, b"\n{}\n"),
        wire("audio-stop", {"timestamp": 5}, inline=True),
    ]
)
COMMANDS = [
    Echo("info", INFO),
    Echo("pong", {"text": "a\nb"}),
    Configure({"name": "", "language": "en"}),
    Configure({"format": AudioFormat()}),
    Configure({"format": AudioFormat()}),
    Audio(b"\x01\x02" * 200),
    Configure({"format": AudioFormat()}),
    Audio(b"\n{}\n"),
    Finalize(),
]


def read(messages: list[Any]) -> list[tuple[str, dict[str, Any]]]:
    """As a client reads them."""
    stream, found = b"".join(messages), []
    while stream:
        line, _, stream = stream.partition(b"\n")
        header = json.loads(line)
        length = header.get("data_length", 0)
        found.append((header["type"], json.loads(stream[:length]) if length else {}))
        stream = stream[length:]
    return found


@given(st.lists(st.integers(0, len(CONVERSATION)), max_size=12))
def test_any_cut_of_the_bytes_means_the_same(cuts: list[int]) -> None:
    codec = WyomingCodec(INFO)
    edges = [0, *sorted(cuts), len(CONVERSATION)]
    commands = [command for a, b in itertools.pairwise(edges) for command in codec.decode(CONVERSATION[a:b])]
    assert commands == COMMANDS
    assert (codec.counters.messages, codec.counters.bytes) == (8, len(CONVERSATION))


def test_data_of_the_line_and_behind_it_are_one() -> None:
    line = b'{"type": "transcribe", "data": {"name": "x", "language": "de"}, "data_length": 18}\n{"language": "en"}'
    assert WyomingCodec(INFO).decode(line) == [Configure({"name": "x", "language": "en"})]


def test_the_info_is_what_a_client_wants() -> None:
    program = INFO["asr"][0]
    assert {"name", "attribution", "installed", "models"} <= set(program)
    assert program["supports_transcript_streaming"] is True
    assert program["models"][0]["languages"] == ["en"]
    assert all(INFO[name] == [] for name in ("tts", "handle", "intent", "wake", "mic", "snd"))


def test_the_transcript_comes_in_pieces_and_whole() -> None:
    codec = WyomingCodec(INFO)

    def partial(stable: str) -> Partial:
        return Partial(0, stable, stable, (), 0.9, 0, 1, 0.0, 0.0, 0, NO_TIME)

    def final(text: str) -> Final:
        return Final(0, 0, text, (), 0.9, 0, 1, NO_TIME, language="en")

    for _ in range(2):  # several utterances on one connection
        events = [partial(""), partial("one"), final("one two"), partial("three"), final("three"), Echo("end")]
        messages = read([message for event in events for message in codec.encode(event)])
        kinds = [kind for kind, _ in messages]
        assert kinds == ["transcript-start", *["transcript-chunk"] * 3, "transcript", "transcript-stop"]
        assert [data["text"] for kind, data in messages if kind == "transcript-chunk"] == ["one", " two", " three"]
        assert dict(messages)["transcript"] == {"text": "one two three", "language": "en"}


def test_nothing_said_is_an_empty_transcript() -> None:
    assert read(list(WyomingCodec(INFO).encode(Echo("end")))) == [
        ("transcript-start", {}),
        ("transcript", {"text": ""}),
        ("transcript-stop", {}),
    ]


def test_an_error_is_told() -> None:
    assert read(list(WyomingCodec(INFO).encode(Failure("server_busy", "later")))) == [
        ("error", {"text": "later", "code": "server_busy"})
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"no json\n",
        b"[1]\n",
        b"\xff\xfe\n",
        b'{"type": "x", "data_length": -1}\n',
        b'{"type": "x", "data_length": "7"}\n',
        b'{"type": "x", "data_length": 300000}\n',
        b'{"type": "x", "payload_length": 2000000}\n',
        b'{"type": "x", "data_length": 2}\n[]',
        b"x" * 20_000,
        wire("transcribe", {"language": 5}),
        wire("audio-start", {"rate": 16_000, "width": 4, "channels": 1}),
        wire("audio-start", {"rate": "fast", "width": 2, "channels": 1}),
        wire("audio-chunk", {"rate": 16_000, "width": 2, "channels": 1000}, b"12"),
        b"[" * 5000 + b"\n",
    ],
)
def test_what_cannot_be_read_ends_the_connection(data: bytes) -> None:
    codec = WyomingCodec(INFO)
    with pytest.raises(ProtocolError) as caught:
        codec.decode(data)
    assert caught.value.close_code is not None
    assert codec.counters.malformed == 1


def test_events_without_a_kind_are_ignored() -> None:
    assert WyomingCodec(INFO).decode(
        b'{}\n{"type": 5}\n{"type": "x", "payload_length": 3}\nabc' + wire("describe")
    ) == [Echo("info", INFO)]
