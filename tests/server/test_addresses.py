"""Whose request it is behind proxies, and what one address may have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from serving import BASE

from fastring.config import SecuritySettings
from fastring.errors import ConfigError
from fastring.server.addresses import AddressLimits, Proxies
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from serving import Serve

LOOPBACK = ("127.0.0.1",)


def as_from(address: str) -> dict[str, dict[str, str]]:
    return {"headers": {"X-Forwarded-For": address}}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("9.9.9.9", ["1.1.1.1"], "9.9.9.9"),  # no proxy of ours: it may say what it likes
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),  # the left is the client's own fancy
        ("10.0.0.1", ["6.6.6.6", "1.1.1.1, 10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", ["1.1.1.1:4711"], "1.1.1.1"),
        ("10.0.0.1", ['"[2001:db8::7]:4711"'], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["::ffff:1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["1.1.1.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, , 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # proxies alone: the outermost
        ("", ["1.1.1.1"], ""),
    ],
)
def test_the_client_is_the_rightmost_that_is_no_proxy_of_ours(peer: str, forwarded: list[str], client: str) -> None:
    assert Proxies(["10.0.0.0/8"]).client(peer, forwarded) == client


def test_without_proxies_nobody_is_believed() -> None:
    assert Proxies(()).client("127.0.0.1", ["1.1.1.1"]) == "127.0.0.1"


def test_a_network_of_ipv6_is_one_address() -> None:
    limits = AddressLimits(SecuritySettings(max_connections_per_address=1))
    with limits.open("2001:db8::1"):
        assert not limits.has_room("2001:db8::2")
        assert limits.has_room("2001:db8:0:1::1")
        with pytest.raises(Problem, match="max_connections_per_address"), limits.open("2001:db8::3"):
            pass
    assert limits.has_room("2001:db8::2")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastring.server.addresses._BUDGETS", 10)
    limits = AddressLimits(SecuritySettings(max_requests_per_second_per_address=1, max_connections_per_address=5))
    for number in range(100):
        limits.knock(f"10.0.0.{number}", 1.0)
        with limits.open(f"10.0.0.{number}"):
            pass
    assert len(limits._budgets) == 10
    assert not limits._open


def test_a_rate_is_refilled_with_time() -> None:
    limits = AddressLimits(SecuritySettings(max_requests_per_second_per_address=2))

    def passed(now: float) -> int:
        for count in range(100):
            if wait_s := refused(now):
                assert wait_s >= 1
                return count
        return 100

    def refused(now: float) -> int:
        try:
            limits.knock("1.1.1.1", now)
        except Problem as problem:
            return int(problem.headers["Retry-After"])
        return 0

    assert passed(100.0) == 5  # two seconds of them saved up, and one
    assert passed(101.0) == 2
    limits.knock("1.1.1.2", 101.0)  # nobody else's fault


@pytest.mark.parametrize("value", ["10.0.0.0/33", "proxy.example", ""])
def test_a_proxy_that_is_no_network_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="trusted_proxies"):
        SecuritySettings(trusted_proxies=(value,))


async def test_connections_of_an_address_are_bounded(serve: Serve) -> None:
    security = SecuritySettings(max_connections_per_address=2, trusted_proxies=LOOPBACK)
    async with serve(security=security) as server:
        async with (
            server.connect(f"{BASE}voice/a", **as_from("1.1.1.1")),
            server.connect(f"{BASE}voice/b", **as_from("1.1.1.1")),
        ):
            status, error = await server.refusal(f"{BASE}voice/c", **as_from("6.6.6.6, 1.1.1.1"))
            assert (status, error["code"]) == (429, "too_many_connections")
            async with server.client.get(f"{server.url}{BASE}list", **as_from("1.1.1.1")) as response:
                assert (response.status, response.headers["Retry-After"]) == (429, "5")
            async with server.connect(f"{BASE}voice/d", **as_from("2.2.2.2")):
                pass
        await server.empty()
        async with server.connect(f"{BASE}voice/c", **as_from("1.1.1.1")):
            pass
        status, metrics = await server.get("/metrics")
        assert "fastring_refused_by_address 2.0" in metrics


async def test_sockets_of_an_address_are_bounded(serve: Serve) -> None:
    """Without a proxy: also those that ask for nothing."""
    async with serve(security=SecuritySettings(max_connections_per_address=2)) as server:
        port = int(server.netloc.rpartition(":")[2])
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await asyncio.sleep(0.05)
        status, error = await server.refusal(f"{BASE}voice/c")
        assert (status, error["code"]) == (429, "too_many_connections")
        async with server.client.get(server.url + "/livez") as response:  # clients that pool sockets let go
            assert (response.status, response.headers["Connection"]) == (429, "close")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(reader.read(), 3) == b""  # a third that says nothing is cut off soon
        writer.close()
        for _, other in silent:
            other.close()
        await asyncio.sleep(0.05)
        async with server.connect(f"{BASE}voice/c"):
            pass


async def test_requests_of_an_address_are_bounded(serve: Serve) -> None:
    security = SecuritySettings(max_requests_per_second_per_address=1, trusted_proxies=LOOPBACK)
    async with serve(security=security) as server:
        answers: list[Any] = [await server.get(f"{BASE}list", **as_from("1.1.1.1")) for _ in range(6)]
        assert [status for status, _ in answers].count(200) == 3
        assert answers[-1][1]["error"]["code"] == "rate_limited"
        assert (await server.get(f"{BASE}list", **as_from("2.2.2.2")))[0] == 200
        status, error = await server.refusal(f"{BASE}voice/c", **as_from("1.1.1.1"))
        assert (status, error["code"]) == (429, "rate_limited")
