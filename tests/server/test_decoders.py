"""Containers are decoded beside the server: what ends their process ends nobody else's stream."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from serving import SCRIPT, TWO_UTTERANCES, VOICE, chunks, converse, listen, of, serving, settings_for_tests, texts

from fastring.audio.decoder_process import DecoderProcess

if TYPE_CHECKING:
    from serving import Running

av = pytest.importorskip("av")

pytestmark = pytest.mark.skipif(not DecoderProcess.possible(), reason="no socket can be handed over on this system")


def flac() -> bytes:
    """What FFmpeg must read."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=16_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.frombuffer(TWO_UTTERANCES, "<i2")[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def process_of(server: Running, name: str) -> int:
    process: Any = getattr(server.services.decoders, name)
    process.wait()
    return int(process._process.pid)


async def test_the_end_of_the_process_is_told_to_containers_and_to_nobody_else() -> None:
    data = flac()
    async with serving() as server:
        contained = await server.connect(VOICE + "a?encoding=container")
        plain = await server.connect(VOICE + "b")
        await contained.send_bytes(data[:20_000])
        parts = list(chunks(TWO_UTTERANCES))
        for part in parts[:20]:
            await plain.send_bytes(part)
        await contained.send_str('{"type":"ping"}')
        await listen(contained, "pong")
        os.kill(process_of(server, "_live"), signal.SIGSEGV)
        await contained.send_bytes(data[20_000:])
        await contained.send_str('{"type":"close"}')
        heard = await listen(contained)
        assert {m["code"] for m in of(heard, "error")} == {"invalid_field"}
        assert "ended with code -11, over this stream or another one" in of(heard, "error")[0]["message"]
        for part in parts[20:]:
            await plain.send_bytes(part)
        await plain.send_str('{"type":"close"}')
        assert texts(await listen(plain)) == list(SCRIPT)
        assert texts(await converse(server, data, VOICE + "c?encoding=container", 5_000))
        assert "fastring_decoder_deaths 1.0" in (await server.get("/metrics"))[1]


async def test_an_upload_whose_process_ends_may_be_sent_again() -> None:
    data = flac()
    async with serving() as server:
        for _ in range(2):
            status, answer = await server.post(
                "/v1/audio/transcriptions", data={"file": io.BytesIO(data), "model": "script"}
            )
            assert (status, bool(answer.get("text"))) == (200, True), answer
            os.kill(process_of(server, "_files"), signal.SIGSTOP)
            server.services.decoders._files._patience_s = 0.5  # type: ignore[union-attr]
            status, answer = await server.post(
                "/v1/audio/transcriptions", data={"file": io.BytesIO(data), "model": "script"}
            )
            assert status == 503
            assert "took more than 0.5 s" in answer["error"]["message"]
            server.services.decoders._files._patience_s = 30.0  # type: ignore[union-attr]


async def test_where_no_process_starts_a_container_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    async with serving() as server:
        status, error = await server.refusal(VOICE + "a?encoding=container")
        assert (status, error["code"]) == (503, "unavailable")
        assert texts(await converse(server, TWO_UTTERANCES)) == list(SCRIPT)
        await server.empty()


@pytest.mark.parametrize("isolated", [True, False])
async def test_it_is_a_setting_and_nothing_is_left(isolated: bool) -> None:
    async with serving(settings_for_tests(isolate_decoders=isolated)) as server:
        server.services.decoders.warm_up()
        await server.services.decoders.settled()
        pid = process_of(server, "_live") if isolated else 0
        assert texts(await converse(server, flac(), VOICE + "c?encoding=container", 5_000)) == list(SCRIPT)
        status, answer = await server.post(
            "/v1/audio/transcriptions", data={"file": io.BytesIO(flac()), "model": "script"}
        )
        assert (status, bool(answer["text"])) == (200, True)
        assert (server.services.decoders._live is None) != isolated
    if isolated:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
