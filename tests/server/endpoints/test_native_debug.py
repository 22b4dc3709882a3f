from __future__ import annotations

import time
from typing import TYPE_CHECKING

from serving import BASE, SCRIPT, TWO_UTTERANCES, listen

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import SecuritySettings

if TYPE_CHECKING:
    from serving import Running, Serve


async def test_a_stream_that_waits_for_the_engine_shows_it(serve: Serve) -> None:
    engine = ScriptedTranscriber(SCRIPT, delay_s=0.3, concurrency=1)
    async with serve(transcriber=engine) as server, server.connect(BASE + "voice/a") as ws:
        await ws.send_bytes(TWO_UTTERANCES)
        await ws.send_str('{"type":"ping"}')
        await listen(ws, "pong")
        status, seen = await server.get(BASE + "debug/a")
        assert status == 200
        assert seen["stream"]["samples"] == len(TWO_UTTERANCES) // 2
        assert seen["stream"]["open_utterances"] == 2
        assert seen["stream"]["final_jobs"] == 2
        (connection,) = seen["connections"]
        assert (connection["name"], connection["messages"], connection["ending"]) == ("voice/a", 2, False)
        assert (seen["engine"]["running"], seen["draining"]) == (1, False)


async def test_a_reader_that_does_not_read_shows_it(server: Running) -> None:
    async with server.connect(BASE + "voice/a") as ws:
        await ws.receive_json()
        (connection,) = server.services.registry.connections
        connection._sending_s = time.monotonic() - 3
        _, seen = await server.get(BASE + "debug")
        assert seen["connections"][0]["sending_s"] >= 3
        connection._sending_s = None
        assert (await server.get(BASE + "debug/nobody"))[0] == 404


async def test_it_is_behind_the_key_and_shows_no_text(serve: Serve) -> None:
    headers = {"Authorization": "Bearer right-key"}
    async with (
        serve(security=SecuritySettings(api_keys=("right-key",))) as server,
        server.connect(BASE + "voice/a", headers=headers) as ws,
    ):
        await ws.send_bytes(TWO_UTTERANCES)
        await listen(ws, "final")
        for path in ("debug", "debug/a"):
            assert (await server.get(BASE + path))[0] == 401
            status, seen = await server.get(BASE + path, headers=headers)
            assert status == 200
            assert "right-key" not in str(seen)
            assert SCRIPT[0] not in str(seen)
