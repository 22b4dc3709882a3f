"""What the commands on recordings share: an engine and its pool, and the finals of a file with progress."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import typer
from rich.progress import Progress

from fastring.cli.terminal import complain, err, fail
from fastring.config import Settings
from fastring.errors import AudioError, DecodeError, FastringError
from fastring.events import Failure, Final, Status

__all__ = ["SAMPLE_RATE", "Unreadable", "check_recording", "finals_of", "named", "open_pool", "opened"]

SAMPLE_RATE = 16_000


def check_recording(path: Path) -> None:
    """Fail if that cannot be a recording, before a model is loaded for nothing; `-` is stdin."""
    if str(path) == "-" or path.is_file() or path.is_fifo():
        if path.is_file() and path.stat().st_size == 0:
            fail(f"{path}: is an empty file")
        return
    if path.is_dir():
        fail(f"{path}: is a folder; name the recordings in it")
    fail(f"{path}: {'is a device, and no recording' if path.exists() else 'there is no such file'}")


class Unreadable:
    """Recordings that cannot be read: each is told, the others go on, and the command ends with exit code 1."""

    def __init__(self) -> None:
        self._count = 0

    @contextlib.contextmanager
    def told(self, path: Path) -> Iterator[None]:
        """Tell what is wrong with this one."""
        try:
            yield
        except AudioError as error:
            complain(_with_name(path, error))
            self._count += 1

    def exit(self) -> None:
        """Exit with 1 if there was one."""
        if self._count:
            raise typer.Exit(1)


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """What is wrong with a recording that is opened is an `AudioError` with its name."""
    try:
        yield
    except AudioError as error:
        raise DecodeError(_with_name(path, error)) from error
    except OSError as error:
        raise DecodeError(f"{path}: {error.strerror or error}") from error


def _with_name(path: Path, error: AudioError) -> str:
    message = str(error)
    return message if message.startswith(str(path)) else f"{path}: {message}"


def opened(path: Path) -> Path | BinaryIO:
    """The recording as the readers take it; what comes through a pipe is held whole, for it is read twice."""
    if str(path) == "-":
        return io.BytesIO(sys.stdin.buffer.read())
    return io.BytesIO(path.read_bytes()) if path.is_fifo() else path


@contextlib.contextmanager
def open_pool(settings: Settings) -> Iterator[Any]:
    """The configured engine, loaded, in a pool of its own."""
    from fastring.asr.engines import create_transcriber
    from fastring.asr.pool import TranscriberPool

    with err.status("loading the model ...") if err.is_terminal else contextlib.nullcontext():
        transcriber = create_transcriber(settings)
    pool = TranscriberPool(transcriber, timeout_s=settings.asr.timeout_s, hang_s=settings.asr.hang_s)
    try:
        yield pool
    finally:
        pool.close()


def finals_of(path: Path, settings: Settings, pool: Any, progress: Progress) -> Iterator[Final]:
    """The finals of one file that have text; an engine that fails ends the command, for text would be missing."""
    from fastring.audio.files import stream_audio
    from fastring.streams.transcription import transcribe as run

    with named(path):
        audio = stream_audio(opened(path), sample_rate=SAMPLE_RATE)
    task = progress.add_task(path.name, total=audio.duration_s)
    started_s, heard_samples = time.monotonic(), 0

    def chunks() -> Iterator[Any]:
        nonlocal heard_samples
        for chunk in audio:
            heard_samples += len(chunk)
            yield chunk
            progress.advance(task, len(chunk) / SAMPLE_RATE)

    for event in run(chunks(), _session(path, settings, pool), pool):
        if isinstance(event, Status) and event.state == "fallback":
            err.print(f"{path.name}: {event.engine} takes over ({event.reason})", highlight=False, markup=False)
        if isinstance(event, Failure):
            raise FastringError(f"{path}: {event.message}")
        if isinstance(event, Final) and event.text:
            yield event
    progress.remove_task(task)
    if err.is_terminal:
        heard_s, took_s = heard_samples / SAMPLE_RATE, time.monotonic() - started_s
        err.print(f"{path.name}: {heard_s:.1f} s in {took_s:.1f} s, {heard_s / took_s:.0f} times real time")


def _session(path: Path, settings: Settings, pool: Any) -> Any:
    from fastring.analysis.silero import SileroStream, silero_available
    from fastring.session.voice import VoiceSession

    wanted = settings.endpoint.vad
    return VoiceSession(
        path.name,
        voice=settings.voice,
        endpoint=settings.endpoint,
        capabilities=pool.transcriber.capabilities,
        vad=SileroStream() if wanted == "silero" or (wanted == "auto" and silero_available()) else None,
        language=settings.asr.language,
        interim=False,
        max_jobs=settings.asr.max_queue,
    )
