"""The processes of the load benchmark: servers under test with their CPU time and memory, and the crowd of clients."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from started import started

__all__ = ["CORES", "Figures", "Server", "bare", "build_generator", "crowd", "fastring", "hold"]

HERE = Path(__file__).resolve().parent
VOICE_PATH = "/api/v1/stream/voice/load%d?resumes=1"
CORES = sorted(os.sched_getaffinity(0))
SCRIPT = "one two three four five six seven eight nine\n"


@dataclass(frozen=True)
class Server:
    """A server that is running."""

    name: str
    port: int
    process: subprocess.Popen[str]

    @property
    def pids(self) -> list[int]:
        """Of the process and its children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def cpu_s(self) -> list[float]:
        """CPU time so far of all threads of each process, in seconds, to the nanosecond of the scheduler."""
        return [
            sum(int(task.read_text().split()[0]) / 1e9 for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))
            for pid in self.pids
        ]

    def pin(self) -> None:
        """One core for a single process, so that it is one core that is measured; one each for several."""
        pids = self.pids
        for index, pid in enumerate(pids):
            cores = {CORES[0]} if len(pids) == 1 else {CORES[(index - 1) % len(CORES)]} if index else set(CORES)
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), cores)

    @property
    def crowd_cores(self) -> set[int]:
        """Where the crowd runs: not where the server does, if there are cores enough."""
        return set(CORES[max(1, len(self.pids) - 1) :]) or set(CORES)

    def rss_bytes(self) -> int:
        """Memory of its own that it holds."""
        text = "".join(Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.pids)
        return 1024 * sum(map(int, re.findall(r"^Private_\w+: *(\d+) kB", text, re.MULTILINE)))

    def loop_lag(self) -> dict[float, float]:
        """The server's own ticker: ticks so far that were at most so many seconds late, by that bound."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as page:
            text = page.read().decode()
        found = re.findall(r'^fastring_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)', text, re.MULTILINE)
        return {float(bound): float(count) for bound, count in found}


@contextlib.contextmanager
def _running(name: str, command: list[str], pattern: str) -> Iterator[Server]:
    with started(command, pattern) as (process, port):
        server = Server(name, int(port), process)
        server.pin()
        yield server


def bare(reply_ms: int) -> contextlib.AbstractContextManager[Server]:
    """The server that only copies; see `bare.py`."""
    return _running("bare", [sys.executable, str(HERE / "bare.py"), str(reply_ms)], r"ready (\d+)")


@contextlib.contextmanager
def fastring(*, processes: int = 1) -> Iterator[Server]:
    """Ours, as `fastring serve` starts it, with the scripted engine: everything but the decoding."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as script:
        script.write(SCRIPT)
        script.flush()
        settings = ["asr.engine=scripted", f"asr.script={script.name}", "server.max_streams=20000"]
        command = [sys.executable, "-m", "fastring", "serve", "--port", "0"]
        command += [word for setting in settings for word in ("--set", setting)]
        command += ["--processes", str(processes)] if processes > 1 else []
        with _running("fastring", command, r"ready on http://[^:]+:(\d+)") as server:
            yield server


def build_generator() -> Path:
    """Compile the crowd of clients, unless that is done."""
    source = HERE / "generator.cpp"
    target = HERE.parent.parent / "build" / "load" / "generator"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        target.parent.mkdir(parents=True, exist_ok=True)
        compiler = shutil.which("c++") or shutil.which("g++") or "clang++"
        subprocess.run([compiler, "-std=c++20", "-O2", "-o", str(target), str(source)], check=True)
    return target


@dataclass(frozen=True)
class Figures:
    """What one run of the crowd measured."""

    streams: int
    message_ms: float
    speech: float  # share of the audio
    messages: int
    seconds: float
    cpu_us: float  # of the server, per message
    cores: float  # that the server kept busy
    p50_ms: float
    p99_ms: float
    worst_ms: float
    late_p99_ms: float  # of the crowd itself
    crowd_cores: float  # that the crowd kept busy
    unanswered: int  # streams of which not everything was taken in at the end: the figures are not to be used
    busiest: float  # share of the process that had most to do, of the CPU time of all
    finals: int
    lag: tuple[int, int, int]  # ticks of the server's loop: all, over 5 ms late, over 10 ms late


def _generator(
    server: Server, streams: int, message_ms: float, audio: Path, *, run: tuple[float, float], period_ms: float
) -> subprocess.Popen[str]:
    n_bytes = round(message_ms * 32)
    words = ["127.0.0.1", server.port, VOICE_PATH, streams, n_bytes, period_ms, *run, 1000, audio]
    process = subprocess.Popen(
        [str(build_generator()), *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    os.sched_setaffinity(process.pid, server.crowd_cores)
    return process


def _told(process: subprocess.Popen[str], name: str) -> dict[str, float]:
    assert process.stdout is not None
    line = process.stdout.readline()
    told: dict[str, float] = json.loads(line) if line else {}
    if name not in told:
        raise RuntimeError(f"the crowd did not get as far as {name!r}: {line!r}")
    return told


def _go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def crowd(
    server: Server,
    streams: int,
    message_ms: float,
    audio: Path,
    *,
    warm_up_s: float,
    seconds: float,
    speech: float = 0.0,
) -> Figures:
    """So many voices in real time; the server's CPU time over the measured seconds."""
    ours = server.name != "bare"
    with _generator(server, streams, message_ms, audio, run=(warm_up_s, seconds), period_ms=message_ms) as process:
        _told(process, "connected")
        _go_on(process)
        _told(process, "started")
        lag = server.loop_lag() if ours else {}
        before = server.cpu_s()
        began = time.monotonic_ns()
        _go_on(process)
        ended = _told(process, "ended")["ended"]
        each_s = [now - then for now, then in zip(server.cpu_s(), before, strict=True)]
        told = _told(process, "sent")
        after = server.loop_lag() if ours and not told["unanswered"] else {}
    if told["errors"]:
        raise RuntimeError(f"{server.name}: {told}")
    wall_s, cpu_s = (ended - began) / 1e9, sum(each_s)
    ticks = {bound: after[bound] - lag[bound] for bound in after}
    total = ticks.get(float("inf"), 0)
    return Figures(
        streams=streams,
        message_ms=message_ms,
        speech=speech,
        messages=int(told["sent"]),
        seconds=wall_s,
        cpu_us=1e6 * cpu_s / told["sent"],
        cores=cpu_s / wall_s,
        p50_ms=told["p50_ms"],
        p99_ms=told["p99_ms"],
        worst_ms=told["worst_ms"],
        late_p99_ms=told["late_p99_ms"],
        crowd_cores=told["cpu_s"] / wall_s,
        unanswered=int(told["unanswered"]),
        busiest=max(each_s) / cpu_s,
        finals=int(told["finals"]),
        lag=(int(total), int(total - ticks.get(0.005, 0)), int(total - ticks.get(0.01, 0))),
    )


@contextlib.contextmanager
def hold(server: Server, streams: int, audio: Path, *, audio_s: float) -> Iterator[None]:
    """Connections that have sent so many seconds of audio, and are silent now."""
    message_ms = 250.0
    run = (0.0, audio_s / 5) if audio_s else (0.0, 0.0)  # five times as fast as people speak
    with _generator(server, streams, message_ms, audio, run=run, period_ms=message_ms / 5) as process:
        _told(process, "connected")
        assert process.stdin is not None
        if audio_s:
            _go_on(process)
            _told(process, "started")
            _go_on(process)
            _told(process, "ended")
        try:
            yield
        finally:
            process.stdin.close()
