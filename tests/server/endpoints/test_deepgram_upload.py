"""Deepgram's prerecorded endpoint on a real server with a scripted engine."""

from __future__ import annotations

import hashlib
import io
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from deepgram_wire import listen_path
from serving import SCRIPT, TWO_UTTERANCES, silence, speech

from fastring.recordings import recording_path

if TYPE_CHECKING:
    from serving import Running, Serve

ONE = silence(0.5) + speech("seen_0") + silence(1.0)


def stereo_wav() -> bytes:
    """Two utterances on the left, silence on the right."""
    left = np.frombuffer(TWO_UTTERANCES, "<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(np.stack([left, np.zeros_like(left)], axis=1).tobytes())
    return file.getvalue()


def transcripts(body: Any) -> list[str]:
    return [channel["alternatives"][0]["transcript"] for channel in body["results"]["channels"]]


async def test_a_file_is_transcribed(server: Running) -> None:
    data = recording_path("seen_0").read_bytes()
    headers = {"Content-Type": "application/octet-stream"}
    async with server.client.post(server.url + listen_path(model="nova-3"), data=data, headers=headers) as response:
        body = await response.json()
        assert response.status == 200
        assert response.headers["dg-request-id"] == body["metadata"]["request_id"]
    assert transcripts(body) == [SCRIPT[0]]
    metadata = body["metadata"]
    assert metadata["sha256"] == hashlib.sha256(data).hexdigest()
    assert (metadata["duration"], metadata["channels"]) == (pytest.approx(1.453, abs=0.001), 1)
    assert metadata["model_info"][metadata["models"][0]]["name"] == "script"


async def test_raw_samples_are_taken_where_they_are_described(server: Running) -> None:
    path = listen_path(encoding="linear16", sample_rate=16_000, utterances=True, paragraphs=True)
    status, body = await server.post(path, data=TWO_UTTERANCES)
    assert status == 200
    assert transcripts(body) == [" ".join(SCRIPT)]
    assert [it["transcript"] for it in body["results"]["utterances"]] == list(SCRIPT)
    assert body["metadata"]["duration"] == pytest.approx(len(TWO_UTTERANCES) / 32_000, abs=0.001)
    assert len(body["results"]["channels"][0]["alternatives"][0]["paragraphs"]["paragraphs"]) == 2


@pytest.mark.parametrize(
    ("asked", "given"),
    [({}, False), ({"smart_format": True}, True), ({"smart_format": True, "paragraphs": False}, False)],
)
async def test_smart_format_of_a_recording_is_paragraphs_too(
    server: Running, asked: dict[str, Any], given: bool
) -> None:
    path = listen_path(encoding="linear16", sample_rate=16_000, **asked)
    _, body = await server.post(path, data=TWO_UTTERANCES)
    (alternative,) = body["results"]["channels"][0]["alternatives"]
    assert ("paragraphs" in alternative) is given
    assert all(("punctuated_word" in word) is bool(asked) for word in alternative["words"])


async def test_channels_are_heard_apart_or_as_one(server: Running) -> None:
    _, apart = await server.post(listen_path(multichannel=True), data=stereo_wav())
    assert transcripts(apart) == [" ".join(SCRIPT), ""]
    _, mixed = await server.post(listen_path(), data=stereo_wav())
    assert transcripts(mixed) == [" ".join(SCRIPT)]
    assert mixed["metadata"]["channels"] == apart["metadata"]["channels"] == 2


async def test_a_body_may_come_in_pieces(server: Running) -> None:
    async def pieces() -> Any:
        data = recording_path("seen_0").read_bytes()
        for start in range(0, len(data), 999):
            yield data[start : start + 999]

    status, body = await server.post(listen_path(model="nova-3"), data=pieces())
    assert (status, transcripts(body)) == (200, [SCRIPT[0]])


@pytest.mark.parametrize(
    ("parameters", "options", "status", "named"),
    [
        ({"model": "nova-9"}, {"data": b"x"}, 400, "nova-9"),
        ({}, {"data": b"this is no audio" * 50}, 400, "no audio"),
        ({}, {"data": b""}, 400, "no audio"),
        ({}, {"json": {"url": "https://x.example/a.wav"}}, 400, "URL"),
        ({"callback": "https://x.example"}, {"data": b"x"}, 400, "callback"),
        ({"redact": "ssn"}, {"data": b"x"}, 400, "redact"),
        ({"utterances": "perhaps"}, {"data": b"x"}, 400, "utterances"),
    ],
)
async def test_refusals(
    server: Running, parameters: dict[str, Any], options: dict[str, Any], status: int, named: str
) -> None:
    async with server.client.post(server.url + listen_path(**parameters), **options) as response:
        body = await response.json()
        assert response.status == status
        assert set(body) == {"err_code", "err_msg", "request_id"}
        assert named in body["err_msg"]
        assert response.headers["dg-error"] == body["err_msg"]


async def test_too_much_is_refused(serve: Serve) -> None:
    async with serve(max_upload_bytes=1 << 20) as server:
        status, body = await server.post(listen_path(), data=io.BytesIO(bytes(2 << 20)))
        assert (status, body["err_code"]) == (413, "PAYLOAD_TOO_LARGE")
