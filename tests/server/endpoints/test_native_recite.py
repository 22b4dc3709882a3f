"""What is recited and what is verified: references, refusals, and whole recordings as uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from serving import speech

from fastring.config import RecitationSettings, Settings
from fastring.recordings import recording

if TYPE_CHECKING:
    from pathlib import Path

    from serving import Running, Serve

    from fastring.asr.transcriber import Transcriber


async def verify(server: Running, audio: bytes | None, **fields: str) -> tuple[int, Any]:
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    if audio is not None:
        form.add_field("audio", audio, filename="recitation.wav", content_type="audio/wav")
    return await server.post("/verify", data=form)


async def test_a_recording_is_verified(serve: Serve, digits: Transcriber) -> None:
    async with serve(transcriber=digits) as server:
        wav = recording("seen_2").path.read_bytes()
        status, result = await verify(server, wav, reference="Nine, four, two, three!")
    assert status == 200
    assert result["type"] == "final_result"
    assert result["transcript"] == "nine four one three"
    assert [word["status"] for word in result["word_feedback"]] == ["correct", "correct", "wrong", "correct"]
    assert result["word_feedback"][2] == {"index": 2, "word": "two,", "status": "wrong", "heard": "one"}
    assert (result["score"], result["extra_words"]) == (0.75, [])
    assert result["duration"] == pytest.approx(2.78, abs=0.05)


async def test_the_upload_says_what_the_socket_says(serve: Serve, digits: Transcriber) -> None:
    audio = speech("seen_8")
    async with serve(transcriber=digits) as server:
        _, uploaded = await verify(server, recording("seen_8").path.read_bytes(), reference="two eight five nine")
        async with server.connect("/ws/recite?reference=two%20eight%20five%20nine") as ws:
            await ws.send_bytes(audio)
            await ws.send_str('{"type":"end"}')
            messages = [message.json() async for message in ws]
    live = messages[-1]
    for name in ("transcript", "score", "word_feedback", "extra_words", "duration"):
        assert live[name] == uploaded[name]


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({}, 400, "surah"),
        ({"surah": "1"}, 400, "ayah"),
        ({"surah": "1", "ayah": "99"}, 404, "ayah"),
        ({"reference": "..."}, 400, "reference"),
        ({"reference": "x" * 70_000}, 413, None),
        ({"reference": "one", "language": "!"}, 400, "language"),
    ],
)
async def test_what_cannot_be_verified_is_refused(
    server: Running, fields: dict[str, str], status: int, param: str | None
) -> None:
    got, body = await verify(server, b"RIFF", **fields)
    assert (got, body["error"]["param"]) == (status, param)


async def test_an_upload_must_be_audio(server: Running) -> None:
    assert (await verify(server, b"", reference="one"))[1]["error"]["param"] == "audio"
    status, body = await verify(server, b"no audio at all", reference="one")
    assert (status, body["error"]["code"], body["error"]["param"]) == (400, "invalid_audio", "audio")
    status, body = await server.post("/verify", json={"reference": "one"})
    assert (status, body["error"]["code"]) == (415, "unsupported_media_type")


async def test_references_of_ones_own(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "verses.txt"
    path.write_text("114|6|zero one\n", encoding="utf-8")
    settings = Settings(recitation=RecitationSettings(references_file=str(path)))
    async with serve(settings) as server:
        assert (await server.refusal("/ws/recite?surah=1&ayah=1"))[0] == 404
        async with server.connect("/ws/recite?surah=114&ayah=6") as ws:
            await ws.send_str('{"type":"end"}')
            words = (await ws.receive_json())["word_feedback"]
    assert [word["word"] for word in words] == ["zero", "one"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"no form at all", "multipart/form-data"),
        (b"no form at all", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r-x: 1\r\n\r\na\r\n--x--", "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--", "multipart/form-data; boundary=x"),
    ],
)
async def test_an_upload_that_is_no_form_is_a_client_fault(server: Running, body: bytes, content_type: str) -> None:
    status, answer = await server.post("/verify", data=body, headers={"Content-Type": content_type})
    assert (status, answer["error"]["code"]) == (400, "invalid_body")
