"""A TCP proxy that fails on order: it delays, stalls, trickles, cuts and resets what passes through it.

`up` is from the client to the server, `down` the other way. An order holds for all connections, those to come too,
until `heal`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from types import TracebackType
Direction = Literal["up", "down", "both"]

_READ_BYTES = 64 * 1024
_IN_FLIGHT = 256  # pieces that may be on their way; then the proxy stops reading


class _Road:
    """One direction's faults, and how much has passed."""

    def __init__(self) -> None:
        self.passed = 0
        self.heal()

    def heal(self) -> None:
        self.delay_s = 0.0
        self.piece_bytes = 0
        self.piece_every_s = 0.0
        self.stalled_until = 0.0
        self.left: int | None = None


class FaultProxy:
    """Stands between a client and a server: `async with FaultProxy("127.0.0.1", port) as proxy: ... proxy.port`."""

    def __init__(self, upstream_host: str, upstream_port: int) -> None:
        self._upstream = (upstream_host, upstream_port)
        self._roads = {"up": _Road(), "down": _Road()}
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = False
        self.accepted = 0

    async def start(self) -> None:
        """Listen on a free port of the loopback."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Stop listening and reset what is open."""
        if self._server is not None:
            self._server.close()
        self.reset()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> FaultProxy:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._writers) // 2

    def passed(self, direction: Literal["up", "down"]) -> int:
        """Bytes delivered so far, of all connections."""
        return self._roads[direction].passed

    # --- orders ------------------------------------------------------------------------------------------------------

    def delay(self, seconds: float, direction: Direction = "both") -> None:
        """Deliver everything that much later."""
        for road in self._of(direction):
            road.delay_s = seconds

    def trickle(self, piece_bytes: int = 1, every_s: float = 0.001, direction: Direction = "both") -> None:
        """Deliver so many bytes at a time."""
        for road in self._of(direction):
            road.piece_bytes, road.piece_every_s = piece_bytes, every_s

    def stall(self, seconds: float = float("inf"), direction: Direction = "both") -> None:
        """Deliver nothing for a time: the line is up, and dead. Senders feel it when their buffers are full."""
        for road in self._of(direction):
            road.stalled_until = time.monotonic() + seconds

    def cut_after(self, n_bytes: int, direction: Direction = "up") -> None:
        """Deliver so many bytes more, of all connections together, then reset all; once."""
        for road in self._of(direction):
            road.left = n_bytes

    def cut(self) -> None:
        """End all connections now, in order (FIN to both sides), what is on its way is lost."""
        for writer in list(self._writers):
            writer.close()

    def reset(self) -> None:
        """End all connections now with a reset (RST to both sides)."""
        for writer in list(self._writers):
            _reset(writer)

    def refuse(self, wanted: bool = True) -> None:
        """Reset every new connection at once, as a server that is down; those that are open stay."""
        self._refusing = wanted

    def heal(self) -> None:
        """All is well again. Connections that were cut stay cut."""
        self._refusing = False
        for road in self._of("both"):
            road.heal()

    def _of(self, direction: Direction) -> list[_Road]:
        return [road for name, road in self._roads.items() if direction in (name, "both")]

    # --- the way through ---------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.accepted += 1
        if self._refusing:
            _reset(writer)
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            _reset(writer)
            return
        both = (writer, server_writer)
        self._writers.update(both)
        try:
            await asyncio.gather(
                self._relay(reader, server_writer, self._roads["up"]),
                self._relay(server_reader, writer, self._roads["down"]),
            )
        except OSError:
            for end in both:
                _reset(end)
        finally:
            for end in both:
                end.close()
                self._writers.discard(end)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, road: _Road) -> None:
        """One direction of one connection: pieces are read at once and delivered when they are due."""
        due: asyncio.Queue[tuple[float, bytes | OSError]] = asyncio.Queue(_IN_FLIGHT)
        reading = asyncio.ensure_future(_read(reader, due))
        try:
            while True:
                came_s, data = await due.get()
                await _sleep_until(came_s + road.delay_s)
                await _out_of_stall(road)
                if isinstance(data, OSError):
                    raise data
                if not data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                await self._deliver(data, writer, road)
        finally:
            reading.cancel()

    async def _deliver(self, data: bytes, writer: asyncio.StreamWriter, road: _Road) -> None:
        while data:
            await _out_of_stall(road)
            size = min(road.piece_bytes or len(data), len(data))
            if road.left is not None:
                size = min(size, road.left)
            piece, data = data[:size], data[size:]
            writer.write(piece)
            await writer.drain()
            road.passed += len(piece)
            if road.left is not None:
                road.left -= len(piece)
                if road.left <= 0:
                    road.left = None
                    await asyncio.sleep(0.01)  # what was delivered must arrive: a reset overtakes it
                    self.reset()
                    raise ConnectionResetError
            if road.piece_bytes:
                await asyncio.sleep(road.piece_every_s)


async def _read(reader: asyncio.StreamReader, due: asyncio.Queue[tuple[float, bytes | OSError]]) -> None:
    """Read at once whatever comes, up to the end or a reset."""
    data: bytes | OSError = b"first"
    while data and not isinstance(data, OSError):
        try:
            data = await reader.read(_READ_BYTES)
        except OSError as error:
            data = error
        await due.put((time.monotonic(), data))


async def _out_of_stall(road: _Road) -> None:
    while (left_s := road.stalled_until - time.monotonic()) > 0:  # noqa: ASYNC110
        await asyncio.sleep(min(left_s, 0.01))


async def _sleep_until(when_s: float) -> None:
    if (left_s := when_s - time.monotonic()) > 0:
        await asyncio.sleep(left_s)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
