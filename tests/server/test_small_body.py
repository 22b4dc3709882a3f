from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from serving import Running, serving

from fastring.config import ServerSettings, Settings
from fastring.server.small_body import MAX_SMALL_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATH = "/v1/auth/grant"  # a page that reads one
LARGEST = b"{" + b" " * (MAX_SMALL_BODY_BYTES - 2) + b"}"


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with serving(Settings(server=ServerSettings(port=0, handshake_s=0.3))) as running:
        yield running


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b'{"more": [1]}', LARGEST])
async def test_a_small_object_is_read(server: Running, body: bytes) -> None:
    assert (await server.post(PATH, data=body))[0] == 200


@pytest.mark.parametrize("body", [b"[]", b"\xff", b'{"a":1e999}', LARGEST[:-1]])
async def test_what_is_none_is_refused(server: Running, body: bytes) -> None:
    assert (await server.post(PATH, data=body))[0] == 400


async def test_a_larger_one_is_refused(server: Running) -> None:
    assert (await server.post(PATH, data=LARGEST + b" "))[0] == 413


async def test_one_that_never_ends_is_refused_in_time(server: Running) -> None:
    host, _, port = server.netloc.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: {server.netloc}\r\nContent-Length: 9\r\n\r\n{{".encode())
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 408")
    writer.close()
