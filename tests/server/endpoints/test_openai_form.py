from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from fastring.recordings import recording_path

if TYPE_CHECKING:
    from serving import Running, Serve

PATH = "/v1/audio/transcriptions"


def speech_file() -> bytes:
    return recording_path("seen_0").read_bytes()


async def send(server: Running, fields: list[tuple[str, Any]]) -> tuple[int, Any]:
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields:
        if isinstance(value, bytes):
            data.add_field(name, io.BytesIO(value), filename="x")
        else:
            data.add_field(name, value)
    return await server.post(PATH, data=data)


async def test_fields_come_in_any_order_and_unknown_ones_are_ignored(server: Running) -> None:
    fields = [
        ("temperature", "0.2"),
        ("file", speech_file()),
        ("known_speaker_names[]", "anna"),
        ("prompt", "digits"),
        ("something", "else"),
        ("model", "whisper-1"),
    ]
    for order in (fields, fields[::-1]):
        status, body = await send(server, order)
        assert (status, body["text"]) == (200, "zero one two three")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"file": None}, "file"),
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"response_format": "xml"}, "response_format"),
        ({"stream": "perhaps"}, "stream"),
        ({"stream": "true", "response_format": "srt", "model": "gpt-4o-transcribe"}, "stream"),
        ({"temperature": "warm"}, "temperature"),
        ({"temperature": "1.5"}, "temperature"),
        ({"include[]": "everything"}, "include"),
        ({"timestamp_granularities[]": "letter"}, "timestamp_granularities"),
        ({"chunking_strategy": "manual"}, "chunking_strategy"),
        ({"chunking_strategy": "{"}, "chunking_strategy"),
        ({"chunking_strategy[silence_duration_ms]": "soon"}, "chunking_strategy"),
        ({"prompt": b"\xff\xfe"}, "prompt"),
        ({"file": b""}, "file"),
        ({"file": b"no audio"}, "file"),
    ],
)
async def test_what_is_wrong_is_named(server: Running, change: dict[str, Any], param: str) -> None:
    fields = {"model": "whisper-1", "file": speech_file()} | change
    status, body = await send(server, [item for item in fields.items() if item[1] is not None])
    assert (status, body["error"]["param"]) == (400, param)
    assert body["error"]["message"]


async def test_names_may_come_without_brackets(server: Running) -> None:
    fields = [
        ("model", "whisper-1"),
        ("file", speech_file()),
        ("response_format", "verbose_json"),
        ("timestamp_granularities", "word"),
    ]
    assert "words" in (await send(server, fields))[1]


async def test_whisper_does_not_stream_what_cannot_be_streamed(server: Running) -> None:
    fields = [("model", "whisper-1"), ("file", speech_file()), ("stream", "true"), ("response_format", "vtt")]
    status, text = await send(server, fields)
    assert (status, text.startswith("WEBVTT")) == (200, True)


async def test_one_language_of_several_is_a_choice(serve: Serve) -> None:
    async with serve() as server:
        for names, heard in (
            (["languages[]"], "german"),
            (["languages[]", "languages[]"], ""),
            (["language"], "german"),
        ):
            fields = [("model", "whisper-1"), ("file", speech_file()), ("response_format", "verbose_json")]
            body = (await send(server, [*fields, *((name, "de") for name in names)]))[1]
            assert body["language"] == heard


async def test_too_much_is_refused_before_it_is_kept(serve: Serve) -> None:
    async with serve(max_upload_bytes=50_000) as server:
        too_large = [("model", "whisper-1"), ("file", bytes(3_000_000))]
        assert (await send(server, too_large))[0] == 413
        long_field = [("model", "x" * 70_000), ("file", speech_file())]
        assert (await send(server, long_field))[0] == 413
        many = [("model", "whisper-1"), ("file", speech_file()), *(("x", "y") for _ in range(64))]
        status, body = await send(server, many)
        assert (status, body["error"]["code"]) == (400, "invalid_form")


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b'{"model": "whisper-1"}', "application/json", "invalid_content_type"),
        (b"model=whisper-1", "application/x-www-form-urlencoded", "invalid_content_type"),
        (b"no form at all", "multipart/form-data", "invalid_form"),
        (b"no form at all", "multipart/form-data; boundary=x", "invalid_form"),
        (b"--x\r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper-1", "multipart/form-data; boundary=x", ""),
        (b"", "multipart/form-data; boundary=x", ""),
        (b"--x\r\n\r-x: 1\r\n\r\na\r\n--x--", "multipart/form-data; boundary=x", "invalid_form"),
    ],
)
async def test_what_is_no_form_is_a_client_fault(server: Running, body: bytes, content_type: str, code: str) -> None:
    status, answer = await server.post(PATH, data=body, headers={"Content-Type": content_type})
    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"
    assert code in answer["error"]["code"]


async def test_settings_nested_without_end_are_a_client_fault(server: Running) -> None:
    deep = '{"a":' * 20_000
    status, answer = await send(server, [("file", b"x"), ("model", "whisper-1"), ("chunking_strategy", deep)])
    assert status in (400, 413)
    assert answer["error"]["type"] == "invalid_request_error"
