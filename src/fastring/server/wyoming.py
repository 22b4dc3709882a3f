"""Wyoming over TCP, beside the HTTP server: one task a connection, one voice session an utterance."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import structlog
from aiohttp import web

from fastring._version import __version__
from fastring.audio.decode import PcmDecoder
from fastring.audio.format import AudioFormat
from fastring.errors import ConfigError, ProtocolError
from fastring.events import Audio, Closed, Configure, Echo, Failure, Final, Finalize, Partial
from fastring.protocols.languages import LANGUAGE_NAMES
from fastring.protocols.wyoming import WyomingCodec, info_of
from fastring.server.auth import is_loopback
from fastring.server.decoding import slice_bytes
from fastring.server.model_names import check_language, check_model
from fastring.server.problems import Problem
from fastring.server.registry import CONNECTIONS_PER_STREAM
from fastring.server.services import SERVICES
from fastring.server.wyoming_zeroconf import announced

if TYPE_CHECKING:
    from fastring.config import Settings
    from fastring.events import Command, Event
    from fastring.server.services import Services
    from fastring.server.voice_runner import VoiceRunner

__all__ = ["WyomingServer", "check_wyoming", "listen_for_wyoming"]

log = structlog.get_logger("fastring.server")

SESSION_RATE = 16_000
_READ_BYTES = 1 << 16
_UNREAD_BYTES = 1 << 20  # of answers that a client does not take
_DRAIN_S = 2.0


def check_wyoming(settings: Settings) -> None:
    """See that `server.wyoming_port`, if set, may be listened on.

    Raises:
        ConfigError: the address is public without leave: Wyoming has no keys.
    """
    server = settings.server
    if server.wyoming_port and not is_loopback(server.host) and not settings.security.allow_public_without_keys:
        raise ConfigError(
            f"server.wyoming_port = {server.wyoming_port}: Wyoming knows no keys, and server.host = "
            f"{server.host!r} is reachable from outside: set security.allow_public_without_keys if that is wanted"
        )


async def listen_for_wyoming(app: web.Application) -> AsyncIterator[None]:
    """While the application runs, listen on `server.wyoming_port`.

    Raises:
        ConfigError: the address cannot be bound.
    """
    services = app[SERVICES]
    settings = services.settings.server
    server = WyomingServer(services)
    port = await server.start(settings.host, settings.wyoming_port)
    log.info("wyoming", host=settings.host, port=port)
    try:
        async with announced(settings.host, port) if settings.wyoming_zeroconf else contextlib.nullcontext():
            yield
    finally:
        await server.close()


class WyomingServer:
    """The listener and its connections.

    Args:
        services: of the server.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; port 0 takes a free one.

        Returns:
            The port.

        Raises:
            ConfigError: the address cannot be bound.
        """
        try:
            self._server = await asyncio.start_server(
                self._accept, host, port, limit=_READ_BYTES, reuse_port=self._services.settings.server.processes > 1
            )
        except OSError as error:
            raise ConfigError(f"server.wyoming_port = {port}: cannot listen there: {error.strerror}") from error
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Take nobody in any more, and hang up on those who are there."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if len(self._connections) <= CONNECTIONS_PER_STREAM * self._services.settings.server.max_streams:
                with self._services.addresses.open(str(writer.get_extra_info("peername")[0])):
                    await _Connection(self._services, reader, writer).run()
        except (ConnectionError, asyncio.CancelledError, Problem):
            pass
        except Exception:
            log.exception("wyoming connection failed")
        finally:
            self._connections.discard(task)
            writer.close()


class _Connection:
    """One client: its events in, its answers out, its utterances one after the other."""

    def __init__(self, services: Services, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        capabilities = services.capabilities
        languages = capabilities.languages or tuple(LANGUAGE_NAMES)
        self.codec = WyomingCodec(
            info_of(capabilities.model, languages, __version__),
            max_payload_bytes=services.settings.server.max_message_bytes,
        )
        self.services = services
        self._reader = reader
        self._writer = writer
        self._language = ""
        self._utterance: _Utterance | None = None

    async def run(self) -> None:
        """Until the client goes, says nothing for `server.idle_timeout_s`, or says what cannot be understood."""
        idle_s = self.services.settings.server.idle_timeout_s
        try:
            while data := await asyncio.wait_for(self._reader.read(_READ_BYTES), idle_s):
                for command in self.codec.decode(data):
                    await self._receive(command)
        except asyncio.TimeoutError:
            self.post(Failure("idle_timeout", f"nothing came for {idle_s:g} s (server.idle_timeout_s)"))
        except ProtocolError as error:
            self.post(Failure(error.code, str(error)))
        except Problem as problem:
            self.post(Failure(problem.code, problem.message))
        finally:
            if self._utterance is not None:
                self._utterance.stop()
            self.services.ended.setdefault("wyoming", type(self.codec.counters)()).add(self.codec.counters)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._hang_up(), _DRAIN_S)

    async def _hang_up(self) -> None:
        """End, and take what is still under way: a socket closed over unread bytes is reset, and the reason is lost."""
        await self._writer.drain()
        if self._writer.can_write_eof():
            self._writer.write_eof()
        while await self._reader.read(_READ_BYTES):
            pass

    async def _receive(self, command: Command) -> None:
        if isinstance(command, Configure):
            await self._configure(command.fields)
        elif isinstance(command, Audio):
            await self._hear(command.data)
        elif isinstance(command, Finalize):
            await self._finish()
        elif isinstance(command, Echo):
            self.post(command)

    async def _configure(self, fields: Any) -> None:
        if "format" in fields:
            if self._utterance is None:
                self._utterance = _Utterance(self, self._language, fields["format"])
            self._utterance.take_format(fields["format"])
        else:
            check_model(self.services, fields["name"])
            self._language = check_language(self.services, fields["language"])

    async def _hear(self, data: bytes) -> None:
        utterance = self._utterance
        assert utterance is not None  # a chunk says its format first
        for piece in utterance.pieces(data):
            utterance.push(piece)
            await asyncio.sleep(0)
            await utterance.has_room()

    async def _finish(self) -> None:
        """Answer the utterance, even if there was none; further events wait until it is answered."""
        utterance = self._utterance or _Utterance(self, self._language, AudioFormat())
        utterance.finish()
        await utterance.over.wait()
        self._utterance = None
        self.post(Echo("end"))

    def post(self, event: Event) -> None:
        """Say it; a client that does not listen is cut off."""
        if self._writer.transport.get_write_buffer_size() > _UNREAD_BYTES:
            self._writer.transport.abort()
            return
        for message in self.codec.encode(event):
            assert isinstance(message, bytes)
            self._writer.write(message)


class _Utterance:
    """From `audio-start` to the transcript; a stream like others to the registry, and a listener of its session."""

    kind: Literal["voice"] = "voice"

    def __init__(self, connection: _Connection, language: str, audio_format: AudioFormat) -> None:
        services = connection.services
        self.over = asyncio.Event()
        self._connection = connection
        self._services = services
        self.stream_id = services.session_name("wyoming").replace("#", "-")
        services.registry.check_engine()
        services.registry.add(self)  # refuses before anything is made
        self._format = audio_format
        self._decoder = PcmDecoder(audio_format, SESSION_RATE)
        self._room = asyncio.Event()
        self._started_s = time.monotonic()
        self._runner: VoiceRunner = services.voice_runner(
            services.session_name(self.stream_id),
            language=language,
            interim=True,
            endpoint=replace(services.settings.endpoint, stall_ms=0),
        )
        self._runner.listener = self

    def take_format(self, audio_format: AudioFormat) -> None:
        """What comes next is of this format."""
        if audio_format != self._format:
            self._runner.receive_audio(self._decoder.flush(), time.monotonic())
            self._format, self._decoder = audio_format, PcmDecoder(audio_format, SESSION_RATE)

    def pieces(self, data: bytes) -> list[bytes]:
        """Audio in pieces that keep the loop for a moment only."""
        size = slice_bytes(self._format.sample_rate, self._format.frame_bytes)
        return [data[start : start + size] for start in range(0, len(data), size)]

    def push(self, data: bytes) -> None:
        """Take audio."""
        self._runner.receive_audio(self._decoder.push(data), time.monotonic())

    def hear(self, event: Event) -> None:
        """See `VoiceListener`."""
        if isinstance(event, Closed):
            self._services.registry.remove(self)
            self.over.set()
        elif isinstance(event, Partial | Final) or (isinstance(event, Failure) and event.text_lost):
            self._connection.post(event)

    def relieve(self) -> None:
        """See `VoiceListener`."""
        self._room.set()

    async def has_room(self) -> None:
        """Wait while the engine is far behind."""
        while self._runner.congested:
            self._room.clear()
            await self._room.wait()

    def finish(self) -> None:
        """No more audio comes."""
        now = time.monotonic()
        self._runner.receive_audio(self._decoder.flush(), now)
        self._runner.close(now, "audio-stop")

    def stop(self) -> dict[str, Any]:
        """Give up; see `Stream.stop`."""
        self._runner.stop()
        self._services.registry.remove(self)
        self.over.set()
        return self.summary()

    def stats(self) -> dict[str, Any]:
        """See `Stream.stats`."""
        return self.summary()

    def summary(self) -> dict[str, Any]:
        """See `Stream.summary`."""
        return {
            "stream_id": self.stream_id,
            "kind": self.kind,
            "sample_rate": self._format.sample_rate,
            "channels": self._format.channels,
            "connections": 1,
            "uptime_s": round(time.monotonic() - self._started_s, 3),
        }
