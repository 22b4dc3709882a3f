"""The document is valid, covers the tables it is made from, and every message in it is met on a real socket."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from chat_service import chat_service
from references import followed
from serving import BASE, RATE, SCRIPT, TWO_UTTERANCES, chunks, listen, settings_for_tests, silence, speech

from fastring import events
from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import RepliesSettings, VoiceSettings
from fastring.protocols.native import NativeCodec
from fastring.protocols.native_events import ENCODED
from fastring.protocols.native_sources import SourcesCodec
from fastring.server.endpoints.native import NATIVE
from fastring.server.routes import FAMILIES
from fastring.server.surface.asyncapi import CHANNELS, COMMANDS, asyncapi, message_schema

if TYPE_CHECKING:
    from serving import Running, Serve

DOCUMENT = asyncapi()
MESSAGES = DOCUMENT["components"]["messages"]
FILLED = {"audio": {"data": "AAA="}, "resume": {"token": "t"}}  # what a command's required fields may hold


def test_it_is_valid_asyncapi() -> None:
    # The schema is AsyncAPI's own (github.com/asyncapi/spec-json-schemas, Apache-2.0).
    path = Path(__file__).resolve().parents[2] / "support" / "asyncapi-3.0.0.json.gz"
    validator = jsonschema_rs.validator_for(json.loads(gzip.decompress(path.read_bytes())))
    assert [error.message for error in validator.iter_errors(DOCUMENT)] == []
    assert not validator.is_valid(DOCUMENT | {"channels": {"voice": {"address": 1}}})


def test_every_reference_leads_somewhere() -> None:
    found = followed(DOCUMENT)
    assert {f"#/components/messages/{name}" for name in MESSAGES} <= set(found)
    assert len(found) > 200
    assert all(target for target in found.values())


def test_it_has_every_socket_event_and_command_there_is() -> None:
    assert {name: address for name, (address, _, _) in CHANNELS.items()} == {
        socket.name: socket.path for socket in NATIVE.sockets
    }
    told = {kind for _, _, kinds in CHANNELS.values() for kind in kinds}
    assert told == ENCODED - {events.SourceEvent}
    assert set(COMMANDS) == set(SourcesCodec._READERS) | set(NativeCodec._READERS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_as_described_is_taken(name: str) -> None:
    message = {"type": name, **FILLED.get(name, {})}
    jsonschema_rs.validate(MESSAGES[f"Command_{name}"]["payload"], message)
    assert SourcesCodec("a").decode(json.dumps(message))


def test_what_may_be_unknown_and_what_may_be_missing() -> None:
    _, partial = message_schema(events.Partial)
    assert partial["properties"]["level"] == {"type": ["number", "null"]}
    assert partial["properties"]["words"]["items"]["required"] == ["word", "start", "end", "confidence", "stable"]
    _, failure = message_schema(events.Failure)
    assert "reason" in failure["properties"]
    assert "reason" not in failure["required"]
    _, status = message_schema(events.Status)
    assert "source_dropped" in status["properties"]["state"]["enum"]


def test_every_socket_there_is_has_its_channel() -> None:
    assert {name: channel["address"] for name, channel in DOCUMENT["channels"].items()} == {
        socket.name: socket.path for family in FAMILIES for socket in family.sockets
    }


async def test_the_served_document_has_what_is_served(serve: Serve) -> None:
    async with serve(protocols=("vosk", "native")) as server:
        _, document = await server.get("/api/asyncapi.json")
    assert set(document["channels"]) == {*CHANNELS, "vosk"}


async def test_every_message_is_met_and_is_as_described(serve: Serve) -> None:
    """Real sockets: whatever the server says is of the channel's messages, and all of them are said."""
    pytest.importorskip("openai")  # which asks the language model
    said: dict[str, list[dict[str, Any]]] = {name: [] for name in CHANNELS}
    async with chat_service(between_s=0.001) as service:
        settings = replace(
            settings_for_tests(), voice=VoiceSettings(), replies=RepliesSettings(base_url=service.url, api_key="k")
        )
        async with serve(settings, ScriptedTranscriber(SCRIPT)) as server:
            await asyncio.gather(
                hear_voice(server, said["voice"]),
                resume_voice(server, said["voice"]),
                hear_sources(server, said["live"]),
                recite(server, said["recite"]),
                analyze(server, said["audio"]),
                command(server, said["control"]),
            )
    async with serve(transcriber=ScriptedTranscriber(SCRIPT, fails=lambda _job: True)) as server:
        await recite(server, said["recite"])
    for channel, messages in said.items():
        described = described_on(channel)
        for message in messages:
            assert any(schema.is_valid(message) for schema in described[message["type"]]), message
    met = {message["type"] for messages in said.values() for message in messages}
    assert {name for channel in CHANNELS for name in described_on(channel)} - met == set()


def described_on(channel: str) -> dict[str, list[Any]]:
    """Validators of what the server says on a channel, by the type; two messages may share one."""
    found: dict[str, list[Any]] = {}
    for reference in DOCUMENT["operations"][f"send_{channel}"]["messages"]:
        message = MESSAGES[reference["$ref"].rpartition("/")[2]]
        found.setdefault(message["name"], []).append(jsonschema_rs.validator_for(message["payload"]))
    return found


async def hear_voice(server: Running, said: list[dict[str, Any]]) -> None:
    async with server.connect(f"{BASE}voice/a") as ws:
        await ws.send_str('{"type":"ping"}')
        await ws.send_str("{")
        hesitant = speech("seen_0")[: RATE // 2] + silence(0.4)
        for chunk in chunks(silence(0.3) + hesitant * 4 + TWO_UTTERANCES):
            await ws.send_bytes(chunk)
            await asyncio.sleep(0.05)
        await ws.send_str('{"type":"audio","data":"AAA=","seq":0}')
        await ws.send_str('{"type":"audio","data":"AAA=","seq":9}')
        await asyncio.sleep(0.3)
        await ws.send_str('{"type":"close"}')
        said += await listen(ws)


async def resume_voice(server: Running, said: list[dict[str, Any]]) -> None:
    async with server.connect(f"{BASE}voice/b") as ws:
        await ws.send_bytes(speech()[:32_000])
        said += await listen(ws, "ack")
        token = next(message["resume_token"] for message in said if message.get("stream_id") == "b")
        ws._response.connection.transport.abort()
    async with server.connect(f"{BASE}voice/b") as ws:
        await ws.send_json({"type": "resume", "token": token, "last_seq": -1, "oldest_sample": 0})
        said += await asyncio.wait_for(listen(ws, "resumed"), 10)


async def hear_sources(server: Running, said: list[dict[str, Any]]) -> None:
    async with server.connect("/ws/live") as ws:
        await ws.send_str('{"type":"source","source":"mic","priority":1}')
        for chunk in chunks(TWO_UTTERANCES):
            await ws.send_bytes(chunk)
        await ws.send_str('{"type":"close"}')
        said += await listen(ws)


async def recite(server: Running, said: list[dict[str, Any]]) -> None:
    async with server.connect("/ws/recite?reference=zero one two three four five six") as ws:
        await ws.send_str('{"type":"ping"}')
        await ws.send_str("{")
        for chunk in chunks(TWO_UTTERANCES):
            await ws.send_bytes(chunk)
            await asyncio.sleep(0.005)
        await ws.send_str('{"type":"end"}')
        while isinstance(data := (await ws.receive(timeout=30)).data, str):
            said.append(json.loads(data))


async def analyze(server: Running, said: list[dict[str, Any]]) -> None:
    async with server.connect(f"{BASE}audio/c?encoding=linear16&sample_rate=16000") as ws:
        await ws.send_bytes(speech()[:32_000])
        said += await listen(ws, "analysis")
        for name in ("pause", "resume", "reset_analysis", "get_stats", "list_streams"):
            await ws.send_json({"command": name})
        for text in ('{"type":"ping"}', "{", '{"type":"close"}'):
            await ws.send_str(text)
        said += await listen(ws)


async def command(server: Running, said: list[dict[str, Any]]) -> None:
    await server.post(f"{BASE}start/d")
    async with server.connect(f"{BASE}control/d") as ws:
        for name in ("pause", "resume", "reset_analysis", "get_stats", "list_streams"):
            await ws.send_json({"command": name})
        for text in ('{"type":"ping"}', "{", '{"type":"close"}'):
            await ws.send_str(text)
        said += await listen(ws)
