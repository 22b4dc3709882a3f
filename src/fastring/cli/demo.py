"""`fastring demo`: a real server hears a real recording in real time, and shows what it makes of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import IO, Annotated, Any

import typer
from rich.live import Live
from rich.text import Text

from fastring.cli.live_state import LiveState
from fastring.cli.live_view import latency_table, live_view, word_table
from fastring.cli.terminal import fail, need, out, told
from fastring.client import ClientStream, connect
from fastring.config_sources import CONFIG_ENV, setting_fields
from fastring.errors import FastringError
from fastring.recordings import Recording, recording

__all__ = ["DEFAULT_RECORDINGS", "Script", "demo", "perform", "script_of"]

SAMPLE_RATE = 16_000
CHUNK_S = 0.02
PAUSE_S = 0.8
UPDATE_HZ = 20
PATIENCE_S = 30.0
DEFAULT_RECORDINGS = ["seen_8", "unseen_2"]


@dataclass(frozen=True)
class Script:
    """What is played: 16 kHz mono PCM16, and what is said in it."""

    names: tuple[str, ...]
    pcm: bytes
    text: str

    @property
    def duration_s(self) -> float:
        """Its length."""
        return len(self.pcm) / 2 / SAMPLE_RATE


def demo(
    recordings: Annotated[
        list[str] | None, typer.Option("--recording", metavar="NAME", help="Bundled recordings to play, in this order.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Lines instead of a live view, as without a terminal.")
    ] = False,
) -> None:
    """Start a server, play recordings of spoken digits to it in real time, and show what it hears.

    Exit code 0 if the transcript is what was said.
    """
    need("demo", "aiohttp", "faster_whisper", "onnxruntime", "av", "soxr")
    with told():
        script = script_of([recording(name) for name in recordings or DEFAULT_RECORDINGS])
        try:
            state = asyncio.run(perform(script, live=out.is_terminal and not plain))
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
    _conclude(state, script)


def script_of(played: Sequence[Recording]) -> Script:
    """The recordings, one after the other, with pauses that let each be an utterance of its own."""
    pause = bytes(2 * round(PAUSE_S * SAMPLE_RATE))
    parts = []
    for item in played:
        with wave.open(str(item.path), "rb") as file:
            parts.append(file.readframes(file.getnframes()))
    return Script(
        names=tuple(item.path.name for item in played),
        pcm=pause.join(parts) + pause,
        text=" ".join(item.text for item in played if item.text),
    )


async def perform(script: Script, *, live: bool) -> LiveState:
    """Start the server, play to it, and take what it says until it has said all."""
    async with _server(quiet=not live) as url:
        out.print(Text(f"server ready on {url}; playing {' and '.join(script.names)}", "dim"))
        voice_stream = connect(url, "demo-voice", "voice", sample_rate=SAMPLE_RATE)
        analysis_stream = connect(
            url, "demo-audio", "audio", encoding="linear16", sample_rate=SAMPLE_RATE, update_hz=UPDATE_HZ
        )
        async with voice_stream as voice, analysis_stream as analysis:
            return await _stream(script, voice, analysis, live=live)


async def _stream(script: Script, voice: ClientStream, analysis: ClientStream, *, live: bool) -> LiveState:
    state = LiveState(time.monotonic())
    printer = None if live else _Printer(state)
    takers = [asyncio.ensure_future(_take(stream, state, printer)) for stream in (voice, analysis)]
    drawer = asyncio.ensure_future(_draw(state, script)) if live else None
    try:
        await _play(script, state.started_s, (voice, analysis))
        _, late = await asyncio.wait(takers, timeout=PATIENCE_S)
        if late:
            raise FastringError(f"the server did not finish within {PATIENCE_S:.0f} s after the recording ended")
        for taker in takers:
            taker.result()
    finally:
        for task in (*takers, *([drawer] if drawer else [])):
            task.cancel()
        await asyncio.gather(*takers, *([drawer] if drawer else []), return_exceptions=True)
    return state


async def _play(script: Script, started_s: float, streams: Sequence[ClientStream]) -> None:
    """Send each chunk when its last sample has been spoken, as a microphone would."""
    step = 2 * round(CHUNK_S * SAMPLE_RATE)
    for number, start in enumerate(range(0, len(script.pcm), step), 1):
        await asyncio.sleep(max(0.0, started_s + number * CHUNK_S - time.monotonic()))
        for stream in streams:
            await stream.send(script.pcm[start : start + step])
    for stream in streams:
        await stream.close()


async def _take(stream: ClientStream, state: LiveState, printer: _Printer | None) -> None:
    async for message in stream:
        state.receive(message, time.monotonic())
        if printer is not None:
            printer.show(message)


async def _draw(state: LiveState, script: Script) -> None:
    title = " + ".join(script.names)

    def view() -> Any:
        width = min(out.width, 110)
        return live_view(state, title=title, now=time.monotonic(), duration_s=script.duration_s, width=width)

    with Live(view(), console=out, auto_refresh=False) as screen:
        try:
            while True:
                await asyncio.sleep(0.05)
                screen.update(view(), refresh=True)
        finally:
            screen.update(view(), refresh=True)


class _Printer:
    """The same as lines, for logs."""

    def __init__(self, state: LiveState) -> None:
        self._state = state
        self._told = ""

    def show(self, message: Any) -> None:
        kind = message["type"]
        at = f"{self._state.elapsed_s(time.monotonic()):6.2f} s"
        if kind == "partial" and message["text"] != self._told:
            stable = message["stable_text"]
            self._say(f"{at}  partial  {stable}|{message['text'][len(stable) :]}")
            self._told = message["text"]
        elif kind == "final":
            self._say(f"{at}  final    {message['text']}")
        elif kind == "error":
            self._say(f"{at}  error    {message['code']}: {message['message']}")

    def _say(self, line: str) -> None:
        typer.echo(line)


@contextlib.asynccontextmanager
async def _server(*, quiet: bool) -> AsyncIterator[str]:
    """A server of its own on a free loopback port, with the digits model; gives its address."""
    arguments = ["serve", "--host", "127.0.0.1", "--port", "0", "--engine", "faster-whisper", "--model", "digits"]
    mine = {CONFIG_ENV, *(name for field in setting_fields() for name in field.env)}
    environment = {name: value for name, value in os.environ.items() if name not in mine}
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fastring", *arguments, stdout=asyncio.subprocess.PIPE, stderr=log, env=environment
        )
        try:
            with contextlib.nullcontext() if quiet else out.status("starting the server ..."):
                url = await _ready_url(process, log)
            yield url
        finally:
            await _end(process)


async def _ready_url(process: asyncio.subprocess.Process, log: IO[bytes]) -> str:
    assert process.stdout is not None
    with contextlib.suppress(asyncio.TimeoutError):
        while line := (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode():
            if "ready on " in line:
                return line.rpartition("ready on ")[2].strip()
    log.seek(0)
    raise FastringError(f"the server did not start:\n{log.read().decode(errors='replace').strip()}")


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 6.0)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()


def _conclude(state: LiveState, script: Script) -> None:
    out.print()
    out.print(word_table(state.words))
    out.print()
    out.print(latency_table(state))
    out.print()
    levels, pitches = state.level_db.values(), state.pitch_hz.values()
    if levels and pitches:
        out.print(
            f"level up to {max(levels):.0f} dBFS, pitch around {median(pitches):.0f} Hz, "
            f"{len(state.onsets_s)} onsets, {state.dropped} samples dropped",
            highlight=False,
        )
    if state.errors:
        fail(f"the server said: {state.errors[0]}")
    if not state.latencies.analysis:
        fail("no analysis came")
    if state.text.split() != script.text.split():
        fail(f"heard {state.text!r}, but {script.text!r} was said")
    out.print(Text.assemble(("✓ ", "bold green"), ("heard  ", "dim"), (state.text, "bold")))
