"""Voice streams that lose their connection on a real server, and go on."""

from __future__ import annotations

import asyncio
import io
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from block_runner import block_session, pcm
from kept_line import KeptLine
from serving import (
    RATE,
    SCRIPT,
    TWO_UTTERANCES,
    VOICE,
    chunks,
    converse,
    listen,
    of,
    settings_for_tests,
    silence,
    texts,
)

from fastring.config import EndpointSettings, ResumeSettings
from fastring.events import Ack, Audio, Failure, Resume, Resumed, VoiceReady
from fastring.protocols.codec import Counters
from fastring.server.ack_round import AckRound
from fastring.server.app import drain
from fastring.server.sessions.keeper import SessionKeeper
from fastring.server.sessions.resumable import Identity
from fastring.server.voice_station import VoiceStation

if TYPE_CHECKING:
    from serving import Running, Serve


def drop(ws: Any) -> None:
    """Lose the connection: no close frame, no goodbye."""
    ws._response.connection.transport.abort()


async def resume(server: Running, token: str, last_seq: int, oldest: int = 0, path: str = VOICE + "a") -> Any:
    ws = await server.connect(path)
    await ws.send_json({"type": "resume", "token": token, "last_seq": last_seq, "oldest_sample": oldest})
    return ws


def without_partials(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Numbered events, but for what depends on how fast the engine was."""
    kept = of(messages, "speech_started", "final", "speech_ended")
    return [{key: value for key, value in m.items() if key not in ("latency_ms", "words")} for m in kept]


@pytest.mark.parametrize("cut_s", [0.3, 1.4, 3.0, 4.2])
async def test_a_lost_connection_loses_nothing_and_repeats_nothing(server: Running, cut_s: float) -> None:
    expected = without_partials(await converse(server, TWO_UTTERANCES))
    await server.empty()
    ws = await server.connect(VOICE + "a")
    ready = json.loads(await ws.receive_str())
    cut = int(cut_s * RATE) * 2
    for chunk in chunks(TWO_UTTERANCES[:cut]):
        await ws.send_bytes(chunk)
    await ws.send_str('{"type":"ping"}')
    before = without_partials(await listen(ws, "pong"))
    drop(ws)
    await server.empty()
    assert server.services.keeper.waiting == 1

    ws = await resume(server, ready["resume_token"], len(before) - 1)
    assert (await ws.receive_json())["type"] == "ready"
    resumed = await ws.receive_json()
    assert (resumed["type"], resumed["next_sample"]) == ("resumed", cut // 2)
    assert resumed["resume_token"] not in ("", ready["resume_token"])
    for chunk in chunks(TWO_UTTERANCES[cut:]):
        await ws.send_bytes(chunk)
    await ws.send_str('{"type":"close"}')
    after = await listen(ws)
    assert before + without_partials(after) == expected
    assert after[-1]["stats"]["received"] == len(TWO_UTTERANCES) // 2
    await ws.receive()
    assert ws.close_code == 1000
    await server.empty()
    assert len(server.services.keeper) == 0


async def test_what_was_said_meanwhile_is_told(server: Running) -> None:
    ws = await server.connect(VOICE + "a")
    ready = json.loads(await ws.receive_str())
    for chunk in chunks(TWO_UTTERANCES):
        await ws.send_bytes(chunk)
    await ws.send_str('{"type":"close"}')
    await ws.receive()
    drop(ws)
    await server.empty()
    ws = await resume(server, ready["resume_token"], -1)
    messages = await listen(ws)
    assert texts(messages) == list(SCRIPT)
    assert [m["seq"] for m in messages if "seq" in m] == list(range(6))
    assert messages[-1]["reason"] == "requested"
    assert of(messages, "resumed")[0]["next_seq"] in range(7)


async def test_a_session_that_moved_closes_its_old_connection(server: Running) -> None:
    old = await server.connect(VOICE + "a")
    ready = json.loads(await old.receive_str())
    await old.send_bytes(silence(0.5))
    await old.send_str('{"type":"ping"}')
    await listen(old, "pong")
    new = await resume(server, ready["resume_token"], -1)
    resumed = (await listen(new, "resumed"))[-1]
    assert resumed["next_sample"] == RATE // 2
    await old.send_bytes(silence(0.5))
    assert (await listen(old, "error"))[-1]["code"] == "session_moved"
    await old.receive()
    assert old.close_code == 4409
    await new.send_bytes(silence(0.1))
    await new.send_str('{"type":"close"}')
    assert (await listen(new))[-1]["stats"]["received"] == RATE * 6 // 10
    await new.receive()
    await server.empty()


async def test_a_container_of_a_client_that_does_not_resume_holds_nothing(server: Running) -> None:
    ws = await server.connect(VOICE + "a?encoding=container")
    assert json.loads(await ws.receive_str())["resume_token"] == ""
    await ws.send_bytes(webm(silence(1.0)))
    drop(ws)
    await server.empty()
    assert len(server.services.keeper) == 0


def webm(audio: bytes) -> bytes:
    """Opus in WebM, as browsers record it."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.repeat(np.frombuffer(audio, "<i2"), 3)[None], format="s16", layout="mono")
        frame.sample_rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


@pytest.mark.parametrize("cut", [0.02, 0.4, 0.77])
async def test_a_container_goes_on_in_the_middle_of_a_page(server: Running, cut: float) -> None:
    data, path = webm(TWO_UTTERANCES), VOICE + "a?encoding=container&resumes=true"
    cut_bytes = int(cut * len(data))
    expected = without_partials(await converse(server, data, path, 1000))
    assert [m["text"] for m in of(expected, "final")] == list(SCRIPT)
    await server.empty()
    ws = await server.connect(path)
    token = json.loads(await ws.receive_str())["resume_token"]
    for chunk in chunks(data[:cut_bytes], 1000):
        await ws.send_bytes(chunk)
    await ws.send_str('{"type":"ping"}')
    before = without_partials(await listen(ws, "pong"))
    drop(ws)
    await server.empty()
    ws = await server.connect(path)
    await ws.send_json({"type": "resume", "token": token, "last_seq": len(before) - 1, "oldest_byte": cut_bytes // 2})
    resumed = (await listen(ws, "resumed"))[-1]
    assert resumed["next_byte"] == cut_bytes
    for chunk in chunks(data[cut_bytes:], 1000):
        await ws.send_bytes(chunk)
    await ws.send_str('{"type":"close"}')
    after = await listen(ws)
    assert before + without_partials(after) == expected
    assert of(after, "ack")[-1]["received_bytes"] == len(data)


async def test_a_session_that_lasts_gets_new_tokens() -> None:
    clock = [1000.0]
    settings = ResumeSettings(token_lifetime_s=3600, catch_up_rate=0)
    keeper = SessionKeeper(settings, clock=lambda: clock[0], wall_clock=lambda: clock[0])
    keeper.acks = AckRound(0.0)

    def station() -> tuple[VoiceStation, KeptLine]:
        identity = Identity(keeper.new_name(), "mic", "", "linear16", 16_000, 1)
        ready = VoiceReady(16_000, "linear16", 1, 1.0, 1 << 20, 1.0, "e", "m", True, keeper.token(identity))
        line = KeptLine()
        made = VoiceStation(
            identity,
            keeper=keeper,
            open_session=lambda: block_session(identity),
            ready=ready,
            frame_bytes=2,
            counters=Counters(),
        )
        made.attach(line)
        return made, line

    first, line = station()
    tokens = [event.resume_token for event in line.posted if isinstance(event, VoiceReady)]
    for _ in range(24):  # a day, an hour at a time
        clock[0] += 3600
        first.receive(Audio(pcm(0)), 0.0)
        await asyncio.sleep(0.01)
        tokens += [event.resume_token for event in line.posted if isinstance(event, Ack) and event.resume_token]
        line.posted.clear()
    assert len(set(tokens)) == 25
    first.detach()
    stale, newest = station(), station()
    stale[0].receive(Resume(tokens[0], -1, 0), 0.0)
    newest[0].receive(Resume(tokens[-1], -1, 0), 0.0)
    await asyncio.sleep(0.01)
    assert [event.reason for event in stale[1].posted if isinstance(event, Failure)] == ["expired"]
    assert any(isinstance(event, Resumed) for event in newest[1].posted)
    for made, _ in (stale, newest):
        made.detach()


async def test_silence_ends_no_utterance_while_the_client_is_away(serve: Serve) -> None:
    settings = replace(settings_for_tests(), endpoint=EndpointSettings(vad="energy", stall_ms=100))
    async with serve(settings) as server:
        ws = await server.connect(VOICE + "a")
        ready = json.loads(await ws.receive_str())
        half = (RATE + RATE // 4) * 2  # in the middle of the first utterance
        await ws.send_bytes(TWO_UTTERANCES[:half])
        await listen(ws, "speech_started")
        drop(ws)
        await server.empty()
        await asyncio.sleep(0.3)
        ws = await resume(server, ready["resume_token"], 0)
        await listen(ws, "resumed")
        await ws.send_bytes(TWO_UTTERANCES[half:])
        await ws.send_str('{"type":"close"}')
        assert texts(await listen(ws)) == list(SCRIPT)


@pytest.mark.parametrize(
    ("token", "reason"), [("x", "unknown"), ("", "unknown"), (None, "expired"), ("gap", "gap")], ids=str
)
async def test_resume_is_refused_and_a_fresh_session_goes_on(serve: Serve, token: str | None, reason: str) -> None:
    async with serve(replace(settings_for_tests(), resume=ResumeSettings(wait_s=0.01))) as server:
        ws = await server.connect(VOICE + "a")
        ready = json.loads(await ws.receive_str())
        await ws.send_bytes(silence(0.1))
        if reason != "gap":
            drop(ws)
            await server.empty()
            await asyncio.sleep(0.02)
            server.services.keeper.sweep()
        ours = ready["resume_token"] if token in (None, "gap") else token
        ws = await resume(server, str(ours), -1, 10**9 if token == "gap" else 0)
        failure = (await listen(ws, "error"))[-1]
        assert (failure["code"], failure["reason"], failure["fatal"]) == ("resume_failed", reason, False)
        for chunk in chunks(TWO_UTTERANCES):
            await ws.send_bytes(chunk)
        await ws.send_str('{"type":"close"}')
        assert texts(await listen(ws)) == list(SCRIPT)


async def test_resume_comes_first_or_not_at_all(server: Running) -> None:
    async with server.connect(VOICE + "a") as ws:
        ready = json.loads(await ws.receive_str())
        await ws.send_bytes(silence(0.1))
        await ws.send_json({"type": "resume", "token": ready["resume_token"], "last_seq": -1, "oldest_sample": 0})
        failure = (await listen(ws, "error"))[-1]
        assert (failure["code"], failure["fatal"]) == ("invalid_field", False)


async def test_a_client_that_catches_up_is_not_read_faster_than_it_may(serve: Serve) -> None:
    settings = replace(settings_for_tests(), resume=ResumeSettings(catch_up_rate=4))
    async with serve(settings) as server:
        ws = await server.connect(VOICE + "a")
        ready = json.loads(await ws.receive_str())
        await ws.send_bytes(silence(0.1))
        await ws.send_str('{"type":"ping"}')
        await listen(ws, "pong")
        drop(ws)
        await asyncio.sleep(1.5)
        ws = await resume(server, ready["resume_token"], -1)
        await listen(ws, "resumed")
        began = time.monotonic()
        for _ in range(30):
            await ws.send_bytes(silence(0.1))
        await ws.send_str('{"type":"ping"}')
        await listen(ws, "pong")
        assert time.monotonic() - began >= 0.45  # a second at once, two more at four times real time
        for _ in range(200):
            await ws.send_bytes(silence(0.1))
        await ws.send_str('{"type":"ping"}')
        await listen(ws, "pong")
        assert time.monotonic() - began < 4  # it has caught up: an upload goes as fast as it can
        await ws.close()


async def test_a_server_that_goes_down_leaves_open_speech_to_the_next(serve: Serve) -> None:
    async with serve() as server:
        ws = await server.connect(VOICE + "a?resumes=true")
        await ws.send_bytes(TWO_UTTERANCES[: (RATE + RATE // 4) * 2])
        await listen(ws, "speech_started")
        draining = asyncio.get_running_loop().create_task(drain(server.app))
        messages = await listen(ws)
        assert of(messages, "final") == []
        assert messages[-1]["reason"] == "going away"
        await ws.receive()
        assert ws.close_code == 1012
        await draining
