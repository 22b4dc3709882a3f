"""The announcement, seen by a real browser of the local network: the loopback interface alone."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import socket
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from serving import serving, settings_for_tests

from fastring.errors import ConfigError
from fastring.server.wyoming_zeroconf import SERVICE_TYPE, announced, service_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytest.importorskip("zeroconf")
from zeroconf import IPVersion, ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf


@pytest.fixture(autouse=True)
def name(monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a machine of our own: another test on this one may announce itself as well."""
    host = uuid.uuid4().hex
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    return f"{service_name()}.{SERVICE_TYPE}"


@contextlib.asynccontextmanager
async def browsing(name: str) -> AsyncIterator[tuple[AsyncZeroconf, asyncio.Queue[ServiceStateChange]]]:
    """The network, and every change of that name."""
    seen: asyncio.Queue[ServiceStateChange] = asyncio.Queue()

    def note(**change: Any) -> None:
        if change["name"] == name:
            seen.put_nowait(change["state_change"])

    try:
        zeroconf = AsyncZeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only)
    except OSError as error:
        pytest.skip(f"no multicast here: {error}")
    browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE_TYPE, handlers=[note])
    try:
        yield zeroconf, seen
    finally:
        await browser.async_cancel()
        await zeroconf.async_close()


async def test_a_server_is_found_and_gone_again(name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    async with browsing(name) as (zeroconf, seen):
        settings = settings_for_tests(wyoming_port=port, wyoming_zeroconf=True)
        async with serving(settings):
            assert await asyncio.wait_for(seen.get(), 10) == ServiceStateChange.Added
            info = AsyncServiceInfo(SERVICE_TYPE, name)
            assert await info.async_request(zeroconf.zeroconf, 5000)
            assert (info.parsed_addresses(), info.port) == (["127.0.0.1"], port)
            reader, writer = await asyncio.open_connection(info.parsed_addresses()[0], info.port)
            writer.write(b'{"type": "describe"}\n')
            assert b'"info"' in await asyncio.wait_for(reader.readline(), 5)
            writer.close()
        assert await asyncio.wait_for(seen.get(), 10) == ServiceStateChange.Removed


async def test_two_processes_say_the_same(name: str) -> None:
    """A name that is taken would raise, or be changed; neither happens, and the first is found as before."""
    async with browsing(name) as (zeroconf, seen), announced("127.0.0.1", 10_300):
        assert await asyncio.wait_for(seen.get(), 10) == ServiceStateChange.Added
        async with announced("127.0.0.1", 10_300):
            info = AsyncServiceInfo(SERVICE_TYPE, name)
            assert await info.async_request(zeroconf.zeroconf, 5000)
            assert (info.parsed_addresses(), info.port) == (["127.0.0.1"], 10_300)
            assert ServiceStateChange.Removed not in [seen.get_nowait() for _ in range(seen.qsize())]


async def test_all_addresses_are_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastring.server import wyoming_zeroconf as room

    assert room._addresses("127.0.0.1") == ["127.0.0.1"]
    assert "127.0.0.1" in room._addresses("localhost")
    everywhere = room._addresses("0.0.0.0")
    assert everywhere
    assert all("." in address for address in everywhere)
    monkeypatch.setattr(socket, "gethostname", lambda: "ä" * 100 + ".lan")
    assert len(service_name().encode()) <= 63


async def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("zeroconf"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"fastring\[zeroconf\]"):
        async with announced("127.0.0.1", 1):
            pass
