"""What is written down of other services' protocols, held against real conversations in them."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import jsonschema_rs
import numpy as np
import pytest
from serving import SCRIPT, TWO_UTTERANCES, chunks, settings_for_tests

from fastring.asr.scripted import ScriptedTranscriber
from fastring.protocols import deepgram, deepgram_flux, openai_realtime
from fastring.server.surface.asyncapi_others import OTHERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serving import Running, Serve

    from fastring.asr.transcriber import Hypothesis, Job

MIXED = {name: it.sent for name, it in OTHERS.items()}


def kind_of(channel: str, message: dict[str, Any]) -> str:
    """The one message of that channel whose description it fits."""
    if "type" in message:
        jsonschema_rs.validate(OTHERS[channel].sent[message["type"]], message)
        return str(message["type"])
    fits = [name for name, schema in OTHERS[channel].sent.items() if jsonschema_rs.is_valid(schema, message)]
    assert len(fits) == 1, (channel, message, fits)
    return fits[0]


async def rest(ws: Any, timeout: float = 20) -> list[dict[str, Any]]:
    """Every text up to the close."""
    said = []
    while (message := await ws.receive(timeout=timeout)).type is aiohttp.WSMsgType.TEXT:
        said.append(json.loads(message.data))
    return said


async def say(ws: Any, channel: str, name: str, **fields: Any) -> None:
    """Send a message that is described."""
    message = {**({"type": name} if "type" in OTHERS[channel].received[name]["properties"] else {}), **fields}
    jsonschema_rs.validate(OTHERS[channel].received[name], message)
    await ws.send_str(json.dumps(message))


def test_what_is_taken_is_described() -> None:
    assert set(OTHERS["deepgram"].received) == set(deepgram._READERS)
    assert set(OTHERS["deepgram_flux"].received) == set(deepgram_flux._READERS)
    assert set(OTHERS["openai_realtime"].received) == set(openai_realtime._READERS)


@pytest.mark.parametrize("name", OTHERS)
def test_schemas_are_schemas(name: str) -> None:
    assert OTHERS[name].received
    assert OTHERS[name].sent
    for schema in (*OTHERS[name].received.values(), *OTHERS[name].sent.values(), OTHERS[name].query):
        assert jsonschema_rs.meta.is_valid({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


async def test_deepgram(server: Running) -> None:
    query = "encoding=linear16&sample_rate=16000&interim_results=true&vad_events=true&utterance_end_ms=1000"
    async with server.connect(f"/v1/listen?{query}") as ws:
        await say(ws, "deepgram", "KeepAlive")
        await say(ws, "deepgram", "Configure", features={"punctuate": True})
        await say(ws, "deepgram", "Configure", keyterms=["ring"])
        await ws.send_str("{")
        for chunk in chunks(TWO_UTTERANCES + bytes(64_000)):
            await ws.send_bytes(chunk)
            await asyncio.sleep(0.005)
        await say(ws, "deepgram", "Finalize")
        await say(ws, "deepgram", "CloseStream")
        said = await rest(ws)
    assert {kind_of("deepgram", message) for message in said} == set(MIXED["deepgram"])


async def test_deepgram_flux(serve: Serve) -> None:
    """The second time with an engine that fails, and a client that says nothing more."""
    query = "model=flux-general-multi&encoding=linear16&sample_rate=16000&eager_eot_threshold=0.3&language_hint=en"
    met: set[str] = set()

    async def converse(server: Running) -> None:
        async with server.connect(f"/v2/listen?{query}") as ws:
            await say(ws, "deepgram_flux", "KeepAlive")
            await say(ws, "deepgram_flux", "Configure", thresholds={"eot_timeout_ms": 700}, keyterms=["ring"])
            await ws.send_str(json.dumps({"type": "Configure", "thresholds": {"eot_timeout_ms": 7}}))
            for chunk in chunks(TWO_UTTERANCES):
                await ws.send_bytes(chunk)
            await say(ws, "deepgram_flux", "ForceEndTurn")
            await say(ws, "deepgram_flux", "CloseStream")
            met.update(kind_of("deepgram_flux", message) for message in await rest(ws))

    async with serve(transcriber=Polyglot(SCRIPT)) as server:
        await converse(server)
    assert met == {"Connected", "TurnInfo", "ConfigureSuccess", "ConfigureFailure"}
    async with serve(transcriber=ScriptedTranscriber(SCRIPT, fails=lambda _job: True)) as server:
        await converse(server)
    assert "Warning" in met
    async with serve(idle_timeout_s=0.2) as server, server.connect(f"/v2/listen?{query}") as ws:
        met.update(kind_of("deepgram_flux", message) for message in await rest(ws))
    assert met == set(MIXED["deepgram_flux"])


async def test_openai(serve: Serve) -> None:
    """In both shapes; the second time with an engine that fails."""
    wide = np.repeat(np.frombuffer(TWO_UTTERANCES, "<i2"), 3)[::2].tobytes()
    met: set[str] = set()

    async def converse(server: Running, update: str, headers: dict[str, str]) -> None:
        async with server.connect("/v1/realtime?intent=transcription", headers=headers) as ws:
            await say(ws, "openai_realtime", update, session={})
            await ws.send_str("{")
            for chunk in chunks(wide, 4800):
                audio = base64.b64encode(chunk).decode()
                await say(ws, "openai_realtime", "input_audio_buffer.append", audio=audio)
            await say(ws, "openai_realtime", "input_audio_buffer.commit", event_id="mine")
            await asyncio.sleep(0.5)
            await say(ws, "openai_realtime", "input_audio_buffer.clear")
            while "input_audio_buffer.cleared" not in met:
                met.add(kind_of("openai_realtime", json.loads(await ws.receive_str(timeout=20))))
        met.remove("input_audio_buffer.cleared")

    async with serve() as server:
        await converse(server, "session.update", {})
    async with serve(transcriber=ScriptedTranscriber(SCRIPT, fails=lambda _job: True)) as server:
        await converse(server, "transcription_session.update", {"OpenAI-Beta": "realtime=v1"})
    assert met | {"input_audio_buffer.cleared"} == set(MIXED["openai_realtime"])


async def test_vosk(server: Running) -> None:
    met: set[str] = set()
    for alternatives in (0, 1):
        async with server.connect("/vosk") as ws:
            await say(ws, "vosk", "config", config={"sample_rate": 16_000, "max_alternatives": alternatives})
            for chunk in chunks(TWO_UTTERANCES, 8000):
                await ws.send_bytes(chunk)
                met.add(kind_of("vosk", await ws.receive_json(timeout=10)))
            await say(ws, "vosk", "eof", eof=1)
            met |= {kind_of("vosk", message) for message in await rest(ws)}
    assert met == set(MIXED["vosk"])


class Polyglot(ScriptedTranscriber):
    """Says in which language it hears."""

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        return [replace(answer, language="en") for answer in super().transcribe(jobs)]


async def test_whisper_live(serve: Serve) -> None:
    samples = (np.frombuffer(TWO_UTTERANCES, "<i2") / 32768).astype("<f4").tobytes()
    met: set[str] = set()
    async with (
        serve(settings_for_tests(max_streams=1), Polyglot(SCRIPT)) as server,
        server.connect("/whisper_live") as ws,
        server.connect("/whisper_live") as second,
    ):
        await ws.send_str("{")
        await say(ws, "whisper_live", "options", uid="me", send_last_n_segments=3)
        await asyncio.sleep(0.05)
        for chunk in chunks(samples, 16_384):
            await ws.send_bytes(chunk)
        await say(second, "whisper_live", "options", uid="you")
        met |= {kind_of("whisper_live", message) for message in await rest(second)}
        await ws.send_bytes(b"END_OF_AUDIO")
        met |= {kind_of("whisper_live", message) for message in await rest(ws)}
    assert met == set(MIXED["whisper_live"])
