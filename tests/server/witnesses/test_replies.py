"""A language model on the trigger: a real server, a real chat service, real sockets between them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from chat_service import ChatService, chat_service
from serving import SCRIPT, TWO_UTTERANCES, chunks, listen, of, settings_for_tests

from fastring.config import EndpointSettings, RepliesSettings, Settings, VoiceSettings

if TYPE_CHECKING:
    from serving import Running, Serve

pytest.importorskip("openai")
PATH = "/api/v1/stream/voice/a"


def settings(service: ChatService, *, early: bool = False, **replies: Any) -> Settings:
    return replace(
        settings_for_tests(),
        voice=VoiceSettings(early_triggers=early, early_processing_threshold=0.5),
        endpoint=EndpointSettings(vad="energy", trailing_silence_ms=500),
        replies=RepliesSettings(base_url=service.url, api_key="secret", system_prompt="Be brief.", **replies),
    )


async def converse(server: Running, until: str = "closed", pace_s: float = 0.02) -> list[dict[str, Any]]:
    async with server.connect(PATH) as ws:
        for chunk in chunks(TWO_UTTERANCES):
            await ws.send_bytes(chunk)
            await asyncio.sleep(pace_s)
        await asyncio.sleep(0.3)  # the last reply may still come
        await ws.send_str('{"type":"close"}')
        messages = await listen(ws, until)
        await ws.receive()
    return messages


def reply(messages: list[dict[str, Any]], reply_id: str) -> str:
    return "".join(m["text"] for m in of(messages, "reply_delta") if m["reply_id"] == reply_id)


async def test_each_final_is_answered_and_the_model_knows_the_conversation(serve: Serve) -> None:
    async with chat_service() as service, serve(settings(service)) as server:
        messages = await converse(server)
    done = of(messages, "reply_done")
    assert [message["reason"] for message in done] == ["stop", "stop"]
    assert [reply(messages, message["reply_id"]) for message in done] == [f"You said: {text}" for text in SCRIPT]
    first, second = service.requests
    assert first["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": SCRIPT[0]},
    ]
    assert [turn["role"] for turn in second["messages"]] == ["system", "user", "assistant", "user"]
    assert (first["stream"], first["max_tokens"], first["key"]) == (True, 256, "Bearer secret")


async def test_a_trigger_is_answered_before_the_final(serve: Serve) -> None:
    async with chat_service(between_s=0.001) as service, serve(settings(service, early=True)) as server:
        messages = await converse(server, pace_s=0.05)
    kinds = [message["type"] for message in messages]
    assert kinds.index("reply_delta") < kinds.index("final")
    early = of(messages, "early_trigger")
    assert {m["trigger_id"] for m in of(messages, "reply_delta")} & {m["trigger_id"] for m in early}
    retracted = {m["trigger_id"] for m in of(messages, "early_trigger_retracted")}
    ended = {m["trigger_id"] for m in of(messages, "reply_done") if m["reason"] == "retracted"}
    assert ended == retracted
    assert [m["reason"] for m in of(messages, "reply_done")].count("stop") == 2


async def test_what_is_not_wanted_any_more_is_cancelled_at_the_service(serve: Serve) -> None:
    slow = ("word ",) * 200
    async with chat_service(reply=slow) as service, serve(settings(service)) as server, server.connect(PATH) as ws:
        for chunk in chunks(TWO_UTTERANCES):
            await ws.send_bytes(chunk)
            await asyncio.sleep(0.02)
        messages = await listen(ws, "reply_delta")
        while of(messages, "reply_delta")[-1]["utterance"] == 0:
            messages += await listen(ws, "reply_delta")
        await asyncio.wait_for(service.gone.wait(), 5)
    assert [m["reason"] for m in of(messages, "reply_done")] == ["replaced"]
    assert service.cancelled >= 1
    assert service.finished == 0


@pytest.mark.parametrize("trouble", [{"status": 500}, {"status": 401}, {"cut_after": 1}, {"between_s": 5.0}])
async def test_a_service_in_trouble_costs_its_reply_alone(serve: Serve, trouble: dict[str, Any]) -> None:
    async with chat_service(**trouble) as service, serve(settings(service, timeout_s=0.2)) as server:
        messages = await converse(server)
    assert [message["text"] for message in of(messages, "final")] == list(SCRIPT)
    assert [message["reason"] for message in of(messages, "reply_done")] == ["failed", "failed"]
    assert not of(messages, "error")


async def test_no_service_at_all(serve: Serve) -> None:
    nowhere = replace(settings_for_tests(), replies=RepliesSettings(base_url="http://127.0.0.1:9/v1", timeout_s=1.0))
    async with serve(nowhere) as server:
        messages = await converse(server, pace_s=0)
    assert [message["text"] for message in of(messages, "final")] == list(SCRIPT)


async def test_replies_are_bounded(serve: Serve) -> None:
    async with chat_service(between_s=0.3) as service, serve(settings(service, max_replies=1)) as server:
        other = await server.connect(PATH.replace("voice/a", "voice/b"))
        for chunk in chunks(TWO_UTTERANCES):
            await other.send_bytes(chunk)
        await listen(other, "final")
        messages = await converse(server)
        await other.close()
    assert "busy" in {message["reason"] for message in of(messages, "reply_done")}
    assert [message["text"] for message in of(messages, "final")] == list(SCRIPT)
