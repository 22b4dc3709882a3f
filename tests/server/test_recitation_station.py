"""Recitations on a real server: the protocol with a scripted engine, and whole recitations with the real one."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from serving import SCRIPT, TWO_UTTERANCES, chunks, of, settings_for_tests, silence, speech

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import AsrSettings

if TYPE_CHECKING:
    from serving import Running, Serve

    from fastring.asr.transcriber import Transcriber


async def recite(server: Running, audio: bytes, reference: str = "", query: str = "") -> list[dict[str, Any]]:
    """Recite, end, and hear everything."""
    query = query or f"reference={quote(reference)}"
    async with server.connect(f"/ws/recite?{query}") as ws:
        for chunk in chunks(audio, 6400):
            await ws.send_bytes(chunk)
        await ws.send_str('{"type":"end"}')
        messages = [json.loads(message.data) async for message in ws]
        assert ws.close_code == 1000
    return messages


def statuses(message: dict[str, Any]) -> str:
    return " ".join(word["status"] for word in message["word_feedback"])


async def test_a_recitation_is_followed_and_judged(server: Running) -> None:
    reference = " ".join(SCRIPT)
    messages = await recite(server, TWO_UTTERANCES, reference)
    assert {message["type"] for message in messages} == {"partial_result", "final_result"}
    result = messages[-1]
    assert result["type"] == "final_result"
    assert (result["transcript"], result["score"], result["extra_words"]) == (reference, 1.0, [])
    assert result["duration"] == pytest.approx(len(TWO_UTTERANCES) / 32_000, abs=0.001)
    for message in messages[:-1]:
        assert set(message["latency_ms"]) == {"buffer_ms", "inference_ms", "total_ms"}
        assert message["server_busy"] is False
        assert "missing" not in statuses(message)
    first = of(messages, "partial_result")[0]["word_feedback"]
    assert [word["index"] for word in first] == list(range(len(first)))
    assert first[-1] == {"index": 6, "word": "six", "status": "pending"}


async def test_a_verse_is_found_by_its_number(server: Running) -> None:
    messages = await recite(server, TWO_UTTERANCES, query="surah=1&ayah=1")
    assert [word["word"] for word in messages[-1]["word_feedback"]] == ["بِسْمِ", "اللَّهِ", "الرَّحْمَٰنِ", "الرَّحِيمِ"]
    assert messages[-1]["score"] == 0.0


@pytest.mark.parametrize(
    ("query", "status", "code", "param"),
    [
        ("", 400, "invalid_parameter", "surah"),
        ("surah=1", 400, "invalid_parameter", "ayah"),
        ("surah=1&ayah=x", 400, "invalid_parameter", "ayah"),
        ("surah=1&ayah=8", 404, "unknown_verse", "ayah"),
        ("surah=115&ayah=1", 404, "unknown_verse", "ayah"),
        ("reference=", 400, "invalid_parameter", "reference"),
        ("reference=...", 400, "invalid_parameter", "reference"),
        ("reference=one&sample_rate=1", 400, "invalid_parameter", "sample_rate"),
        ("reference=one&stream_id=a%20b", 400, "invalid_stream_id", "stream_id"),
    ],
)
async def test_what_cannot_be_recited_is_refused(
    server: Running, query: str, status: int, code: str, param: str
) -> None:
    got, error = await server.refusal(f"/ws/recite?{query}")
    assert (got, error["code"], error["param"]) == (status, code, param)
    assert len(server.services.registry) == 0


async def test_an_engine_that_fails_names_the_way_out(serve: Serve) -> None:
    async with serve(transcriber=ScriptedTranscriber(SCRIPT, fails=lambda _job: True)) as server:
        messages = await recite(server, TWO_UTTERANCES, "one two")
    assert "POST /verify" in of(messages, "partial_result")[0]["latency_ms"]["error"]
    assert messages[-1]["type"] == "final_result_error"
    assert messages[-1]["fallback"] == "/verify"
    assert messages[-1]["message"]


async def test_a_full_queue_is_told_and_counted(serve: Serve) -> None:
    settings = replace(settings_for_tests(), asr=AsrSettings(max_queue=1, max_queue_total=1))
    slow = ScriptedTranscriber(SCRIPT, delay_s=0.6, concurrency=1)
    async with serve(settings, slow) as server:
        all_messages = await asyncio.gather(*(recite(server, TWO_UTTERANCES, " ".join(SCRIPT)) for _ in range(3)))
        metrics = (await server.get("/metrics/streaming"))[1]
    busy = [
        message for messages in all_messages for message in of(messages, "partial_result") if message["server_busy"]
    ]
    assert busy
    assert busy[0]["queue_depth"] > 0
    assert metrics["dropped_segments"] > 0
    assert [messages[-1]["score"] for messages in all_messages] == [1.0, 1.0, 1.0]  # nothing said is lost for it


@pytest.mark.parametrize(
    ("reference", "expected", "extra"),
    [
        ("two eight five eight seven nine four six", "c c c c c c c c", []),
        ("two eight five one seven nine four six", "c c c w c c c c", []),  # a wrong word
        ("two eight five three eight seven nine four six", "c c c - c c c c c", []),  # a skipped word
        ("two eight five eight nine four six", "c c c c c c c", ["seven"]),  # an extra word
    ],
)
async def test_real_recitations(
    serve: Serve, digits: Transcriber, reference: str, expected: str, extra: list[str]
) -> None:
    short = {"correct": "c", "wrong": "w", "minor_mistake": "w", "missing": "-", "pending": "."}
    async with serve(transcriber=digits) as server:
        messages = await recite(server, speech("seen_8") + silence(0.5), reference)
    assert " ".join(short[status] for status in statuses(messages[-1]).split()) == expected
    assert messages[-1]["extra_words"] == extra
    assert len(of(messages, "partial_result")) >= 3


async def test_a_repeated_start(serve: Serve, digits: Transcriber) -> None:
    audio = speech("seen_1") + silence(0.5) + speech("seen_1") + silence(0.5)
    async with serve(transcriber=digits) as server:
        result = (await recite(server, audio, "four six"))[-1]
    assert statuses(result) == "correct correct"
    assert result["extra_words"] == ["four", "six"]
    assert result["score"] == 0.5


async def test_silence_is_no_recitation(serve: Serve, digits: Transcriber) -> None:
    async with serve(transcriber=digits) as server:
        messages = await recite(server, silence(3), "four six")
    assert [message["type"] for message in messages] == ["final_result"]
    assert statuses(messages[0]) == "missing missing"


async def test_close_and_a_stop_from_outside_are_answered_by_closed(server: Running) -> None:
    for path in ("", "/api/v1/stream/stop/told"):
        async with server.connect("/ws/recite?reference=one&stream_id=told") as ws:
            await ws.send_bytes(silence(0.2))
            if path:
                await ws.send_str('{"type":"ping"}')
                assert json.loads((await ws.receive()).data)["type"] == "pong"
                assert (await server.post(path))[0] == 200
            else:
                await ws.send_str('{"type":"close"}')
            result, closed = [json.loads(message.data) async for message in ws]
            assert ws.close_code == 1000
        assert result["type"] == "final_result"
        assert (closed["type"], closed["reason"]) == ("closed", "stopped" if path else "requested")
        assert closed["stats"]["stream_id"] == "told"
        assert closed["stats"]["bytes"] >= len(silence(0.2))
