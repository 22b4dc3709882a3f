"""One WebSocket to the service: the only file that imports websockets, and maps what goes wrong with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from fastring._version import __version__
from fastring.asr.deepgram.messages import (
    CLOSE_STREAM,
    FINALIZE,
    KEEP_ALIVE,
    KEY_HINT,
    REQUEST_HINT,
    authorization,
    listen_url,
    read_refusal,
    read_result,
    unreachable,
)
from fastring.asr.remote import refusal
from fastring.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.client import ClientConnection

    from fastring.asr.deepgram.messages import Result
    from fastring.asr.deepgram.transcript import Transcript
    from fastring.config import DeepgramSettings

__all__ = ["Connection", "open_connection", "tls_context"]

_CLOSE_S = 1.0
_USER_AGENT = f"fastring/{__version__}"

_log = logging.getLogger(__name__)
# The library logs the handshake, and with it the key, at its lowest level: that never gets out.
_wire_log = logging.getLogger(f"{__name__}.wire")
_wire_log.setLevel(logging.INFO)


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """What secure connections share: reading the certificates of this machine takes longer than all else (20 ms)."""
    return ssl.create_default_context()


async def open_connection(settings: DeepgramSettings, language: str) -> Connection:
    """Connect.

    Raises:
        EngineUnavailableError: if the service cannot be reached, does not answer in time, or refuses.
    """
    url = listen_url(settings, language)
    try:
        socket = await connect(
            url,
            ssl=tls_context() if url.startswith("wss:") else None,
            additional_headers=authorization(settings),
            user_agent_header=_USER_AGENT,
            open_timeout=settings.timeout_s,
            close_timeout=_CLOSE_S,
            compression=None,  # audio does not get smaller
            logger=_wire_log,
        )
    except InvalidStatus as error:
        answer = error.response
        detail = read_refusal(settings, bytes(answer.body or b""))
        raise refusal(
            "Deepgram", answer.status_code, answer.headers, detail, key_hint=KEY_HINT, request_hint=REQUEST_HINT
        ) from None
    except (TimeoutError, asyncio.TimeoutError):  # two classes before Python 3.11
        raise EngineUnavailableError(
            f"Deepgram does not answer within {settings.timeout_s:g} s", reason="timeout"
        ) from None
    except InvalidURI as error:
        raise EngineUnavailableError(f"no such address: {error}", reason="refused", passing=False) from error
    except (OSError, WebSocketException, EOFError) as error:
        raise EngineUnavailableError(unreachable(settings, error), reason="unreachable") from error
    return Connection(socket, settings, language)


class Connection:
    """An open connection, used by one segment at a time. Lives in one event loop.

    Args:
        socket: open.
        settings: keep-alive and idle times.
        language: what was asked for when it was opened.

    Attributes:
        owner: stream that used it last; "" if that is gone.
        transcript: the segment it hears, or heard last.
        busy: whether that segment is still open.
        position: samples it has been given.
        heard: whether it has ever answered.
        opened_s: when it was opened, monotonic.
        on_result: called with each result.
    """

    def __init__(self, socket: ClientConnection, settings: DeepgramSettings, language: str) -> None:
        self.language = language
        self.owner = ""
        self.transcript: Transcript | None = None
        self.busy = False
        self.position = 0
        self.heard = False
        self.on_result: Callable[[Connection, Result], object] = lambda _connection, _result: None
        self._socket = socket
        self._settings = settings
        self._lost: EngineUnavailableError | None = None
        self._news = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self.opened_s = self._sent_s = self._used_s = time.monotonic()
        self._waiting_since_s: float | None = None  # since when audio has gone unanswered
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._live())]

    @property
    def lost(self) -> EngineUnavailableError | None:
        """What ended it; None while it is open."""
        return self._lost

    @property
    def idle_s(self) -> float:
        """How long nobody has used it."""
        return 0.0 if self.busy else time.monotonic() - self._used_s

    @property
    def silent_s(self) -> float:
        """How long audio has gone unanswered."""
        return 0.0 if self._waiting_since_s is None else time.monotonic() - self._waiting_since_s

    async def send(self, pcm: bytes) -> None:
        """Give it audio, linear16.

        Raises:
            EngineUnavailableError: if it is lost, or takes no more for too long.
        """
        await self._write(pcm)
        self.position += len(pcm) // 2
        if self._waiting_since_s is None:
            self._waiting_since_s = time.monotonic()

    async def finalize(self) -> None:
        """Ask for all that was not said yet; raises as `send` does."""
        await self._write(FINALIZE)

    async def wait_for(self, done: Callable[[], bool], within_s: float) -> bool:
        """Wait until a result has made that true; False if none has in time.

        Raises:
            EngineUnavailableError: if the connection is lost meanwhile.
        """
        end_s = time.monotonic() + within_s
        while not done():
            if self._lost is not None:
                raise self._lost
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), end_s - time.monotonic())
            except (TimeoutError, asyncio.TimeoutError):
                return done()
        return True

    def rest(self) -> None:
        """The segment is over."""
        self.busy = False
        self._used_s = time.monotonic()

    async def close(self) -> None:
        """End it as the protocol wants: CloseStream, then the peer hangs up; if it does not, we do."""
        self._tasks[1].cancel()
        if self._lost is None:
            self._lost = EngineUnavailableError("the connection was closed", reason="closed")  # nobody may use it now
            with contextlib.suppress(ConnectionClosed, asyncio.TimeoutError, TimeoutError, OSError):
                await asyncio.wait_for(self._socket.send(CLOSE_STREAM), _CLOSE_S)
                await asyncio.wait_for(asyncio.shield(self._tasks[0]), _CLOSE_S)
        await self.abort()

    async def abort(self) -> None:
        """Hang up."""
        for task in self._tasks:
            task.cancel()
        if self._lost is None:
            self._lost = EngineUnavailableError("the connection was given up", reason="closed")
        self._socket.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self, message: str | bytes) -> None:
        if self._lost is not None:
            raise self._lost
        self._sent_s = time.monotonic()
        try:
            await asyncio.wait_for(self._socket.send(message), self._settings.timeout_s)
        except ConnectionClosed as error:
            raise self._closed(error) from None
        except (TimeoutError, asyncio.TimeoutError):
            raise EngineUnavailableError("Deepgram takes no more audio", reason="timeout") from None

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                self._receive(message)
            self._closed(None)
        except ConnectionClosed as error:
            self._closed(error)
        finally:
            self._news.set()

    def _receive(self, message: str | bytes) -> None:
        result = read_result(message)
        if result is None:
            _log.debug("not a result: %.80r", message)
            return
        self.heard = True
        self._waiting_since_s = None
        self.on_result(self, result)
        self._news.set()

    def _closed(self, error: ConnectionClosed | None) -> EngineUnavailableError:
        if self._lost is None:
            frame = None if error is None else error.rcvd
            code, said = (1000 if error is None else 1006, "") if frame is None else (frame.code, frame.reason)
            self._lost = EngineUnavailableError(
                f"Deepgram hung up ({code} {said[:100]!a})", reason="closed", passing=not said.startswith("DATA-")
            )
        return self._lost

    async def _live(self) -> None:
        """Say now and then that we are there; go when nobody has needed it for long."""
        settings = self._settings
        with contextlib.suppress(EngineUnavailableError):
            while self._lost is None:
                await asyncio.sleep(max(0.0, self._sent_s + settings.keepalive_s - time.monotonic()))
                if self.idle_s >= settings.idle_s:
                    self._closing = asyncio.create_task(self.close())
                    return
                if time.monotonic() - self._sent_s >= settings.keepalive_s:
                    await self._write(KEEP_ALIVE)
