"""Clients and calls of the real engine, killed at random moments over sockets: who stays is heard, nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from raw_websocket import BINARY, HANDSHAKE, TEXT, frame
from serving import VOICE, chunks, listen, of, serving, silence, speech, texts

from fastring.asr.ending import THREAD_PREFIX
from fastring.audio.ring import RingBuffer
from fastring.config import AsrSettings, ResumeSettings, ServerSettings, Settings
from fastring.errors import EngineDiedError
from fastring.recordings import recording
from fastring.server.connection import Connection
from fastring.session.voice import VoiceSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from serving import Running

    from fastring.asr.transcriber import Hypothesis, Job, Transcriber
    from fastring.asr.whisper import WhisperTranscriber

pytest.importorskip("faster_whisper")

BLOWS = ("raises", "exits", "dies", "miscounts", "hangs")
DEATHS = ("reset", "vanishes", "in a message", "finalizes", "closes")
CLIENTS = 8
PACE = 4  # times as fast as people speak
HANG_S = 1.0
MOST_HANGING = 3  # of the pool's four threads that may be abandoned
SPOKEN = ("seen_0", "seen_1", "seen_2", "seen_8", "unseen_0", "unseen_2")
COUNTED = (VoiceSession, Connection, RingBuffer)


class MortalWhisper:
    """The real engine, whose calls are killed in every possible way; a job only once, for it is tried only twice."""

    def __init__(self, engine: WhisperTranscriber, seed: int) -> None:
        self.capabilities = engine.capabilities
        self._engine = engine
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._blows = itertools.cycle(BLOWS)
        self._due = False
        self._dead = False
        self._struck: set[tuple[str, int]] = set()
        self.released = threading.Event()
        self.kills: Counter[str] = Counter()
        self.rebuilds = 0

    def kill(self) -> None:
        """The next call dies."""
        self._due = True

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        blow = self._strike({(job.stream_id, job.job_id) for job in jobs})
        if blow == "raises":
            raise ValueError("killed")
        if blow == "exits":
            raise SystemExit
        if blow in ("dies", "dead"):
            raise EngineDiedError("killed")
        if blow == "hangs":
            self.released.wait(600)
        return self._engine.transcribe(jobs)[: None if blow != "miscounts" else -1]

    def _strike(self, names: set[tuple[str, int]]) -> str | None:
        """What happens to a call with these jobs."""
        with self._lock:
            if names & self._struck:
                return None
            if self._dead:
                self._struck |= names
                return "dead"
            if not self._due:
                return None
            blow = next(self._blows)
            if blow == "hangs" and self.kills[blow] == MOST_HANGING:
                blow = next(self._blows)
            self._due = False
            self._struck |= names
            self._dead = blow == "dies"
            self.kills[blow] += 1
            return blow

    def rebuild(self) -> None:
        self._engine.rebuild()
        self.rebuilds += 1
        self._dead = False

    def forget(self, stream_id: str) -> None:
        self._engine.forget(stream_id)

    def close(self) -> None:
        self._engine.close()


class Crowd:
    """Clients one after another; each stays to the end, or dies at a random moment in a random way."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self.stop = False
        self.killed: Counter[str] = Counter()
        self.stayed = 0
        self.words = 0
        self.wrong: list[tuple[str, str, str]] = []

    async def live(self, number: int) -> None:
        rng = random.Random(number)
        for life in itertools.count():
            if self.stop:
                return
            name = rng.choice(SPOKEN)
            audio = silence(0.3) + speech(name) + silence(0.7)
            if rng.random() < 0.5:
                await self._stay(f"{number}.{life}", name, audio)
            else:
                await self._die(f"{number}.{life}", rng, audio)

    async def _stay(self, stream_id: str, name: str, audio: bytes) -> None:
        async with self._server.connect(VOICE + stream_id) as ws:
            hearing = asyncio.ensure_future(listen(ws))
            for chunk in chunks(audio):
                await ws.send_bytes(chunk)
                await asyncio.sleep(0.1 / PACE)
            await ws.send_str('{"type":"close"}')
            messages = await asyncio.wait_for(hearing, 60)
        heard, truth = " ".join(text for text in texts(messages) if text), recording(name).text
        if heard != truth or of(messages, "error"):
            self.wrong.append((stream_id, heard, truth))
        for message in of(messages, "partial"):
            assert message["text"].startswith(message["stable_text"])
        self.stayed += 1
        self.words += len(truth.split())

    async def _die(self, stream_id: str, rng: random.Random, audio: bytes) -> None:
        host, _, port = self._server.netloc.partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        how, parts = rng.choice(DEATHS), list(chunks(audio))
        with contextlib.suppress(ConnectionError):
            writer.write(HANDSHAKE.format(path=VOICE + stream_id, more="").encode())
            for chunk in parts[: rng.randrange(len(parts) + 1)]:
                writer.write(frame(BINARY, chunk))
                await asyncio.sleep(0.1 / PACE)
            if how == "in a message":
                writer.write(frame(BINARY, parts[0])[: rng.randrange(1, 2000)])
            elif how in ("finalizes", "closes"):
                writer.write(frame(TEXT, json.dumps({"type": how[:-1]})))
            await asyncio.sleep(0.1 * rng.random())
        if how == "reset" or rng.random() < 0.3:
            raw = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        self.killed[how] += 1


def held() -> dict[str, int]:
    """What a client or a call may leave behind."""
    gc.collect()
    counts = Counter(type(it) for it in gc.get_objects() if isinstance(it, COUNTED))
    pool = [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_PREFIX)]
    return {
        **{kind.__name__: counts[kind] for kind in COUNTED},
        "threads": len(pool),
        "tasks": len(asyncio.all_tasks()),
    }


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, "something is stuck"
        await asyncio.sleep(0.02)


async def kill(kills: int) -> tuple[Crowd, MortalWhisper, Any]:
    """As many kills of calls, and as many of clients; then everything must come to rest."""
    from fastring.asr.engines import create_transcriber

    asr = AsrSettings(model="digits", workers=2, threads=1, hang_s=HANG_S)
    real: Transcriber = create_transcriber(asr)
    engine = MortalWhisper(real, seed=5)  # type: ignore[arg-type]
    settings = Settings(server=ServerSettings(port=0, admit_lag_ms=0), asr=asr, resume=ResumeSettings(wait_s=0.5))
    rng = random.Random(7)
    async with serving(settings, engine) as server:
        registry, pool = server.services.registry, server.services.pool
        before = held()
        crowd = Crowd(server)
        lives = [asyncio.ensure_future(crowd.live(number)) for number in range(CLIENTS)]
        while engine.kills.total() < kills or crowd.killed.total() < kills:
            assert not any(life.done() for life in lives)
            await asyncio.sleep(rng.random() * 0.5)
            if engine.kills.total() < kills:
                engine.kill()
        crowd.stop = True
        await asyncio.wait_for(asyncio.gather(*lives), 120)
        engine.released.set()
        await until(lambda: not registry.connections and not len(registry))
        await until(lambda: pool.stats().running == pool.stats().abandoned == 0)
        with contextlib.suppress(AssertionError):
            await until(lambda: held() == before, 5)
        assert held() == before
        stats = pool.stats()
    assert [t.name for t in threading.enumerate() if t.name.startswith(THREAD_PREFIX)] == []
    return crowd, engine, stats


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.full)])
async def test_clients_and_engine_calls_are_killed_and_who_stays_is_heard(
    kills: int, figures: Callable[[str], None]
) -> None:
    crowd, engine, stats = await kill(kills)
    figures(
        f"{crowd.killed.total()} clients killed ({dict(crowd.killed)}),\n"
        f"{engine.kills.total()} calls killed ({dict(engine.kills)}),\n"
        f"{crowd.stayed} stayed, {crowd.words} words; {stats.retried} jobs tried again, {stats.hung} calls hung, "
        f"{engine.rebuilds} engines built anew"
    )
    assert crowd.wrong == []
    assert crowd.stayed >= kills / 4
    assert set(engine.kills) == set(BLOWS)
    assert (stats.queued, stats.running, stats.failed, stats.expired) == (0, 0, 0, 0)
    assert stats.accepted == stats.done + stats.dropped
    assert stats.hung == engine.kills["hangs"]
    assert engine.rebuilds >= engine.kills["dies"]
