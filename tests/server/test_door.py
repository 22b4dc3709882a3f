"""Sockets are bounded before anything is read from them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from fastring.server.door import SPARE_SOCKETS

if TYPE_CHECKING:
    from serving import Serve


async def test_sockets_are_bounded_whoever_opens_them(serve: Serve) -> None:
    """None of them has asked for anything; one more is told so at once."""
    async with serve(max_streams=1) as server:
        port = int(server.netloc.rpartition(":")[2])
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4 + SPARE_SOCKETS)]
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head, _, body = (await asyncio.wait_for(reader.read(), 3)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 5\r\n" in head
        assert json.loads(body)["error"]["code"] == "too_many_connections"
        writer.close()
        for _, other in silent:
            other.close()
        await asyncio.sleep(0.1)
        assert (await server.get("/livez"))[0] == 200
