"""Where a request comes from, proxies looked through, and how much one address may ask for.

An address of IPv6 stands for its /64: whoever has one has them all.
"""

from __future__ import annotations

import contextlib
import ipaddress
import math
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Final

from aiohttp import web

from fastring.server.keys import Budget
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastring.config import SecuritySettings

__all__ = ["ADDRESS", "AddressLimits", "Proxies"]

ADDRESS: web.RequestKey[str] = web.RequestKey("address", str)
"""The client's address, as far as trusted proxies tell it."""

_BUDGETS: Final = 10_000
"""Addresses whose rate is remembered; the one that was heard longest ago is forgotten first."""


class Proxies:
    """Those whose `X-Forwarded-For` is believed.

    Args:
        networks: addresses and networks, such as `10.0.0.0/8`.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]

    def trusts(self, peer: str) -> bool:
        """Whether a peer is one of them."""
        address = _parsed(peer)
        return address is not None and any(address in network for network in self._networks)

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """The address of who asks.

        Each proxy adds the address it was asked from on the right, and a client may send whatever it likes to begin
        with. So it is the rightmost that is no proxy of ours; where a hop cannot be read, the proxy that wrote it.

        Args:
            peer: the other end of the socket.
            forwarded: the `X-Forwarded-For` headers in their order.
        """
        if not self._networks:
            return peer
        hops = [hop for header in forwarded for hop in header.split(",")]
        known = peer
        while hops and self.trusts(known):
            hop = _parsed(hops.pop())
            if hop is None:
                break
            known = str(hop)
        return known


class AddressLimits:
    """What each address has open and how often it asks. One thread: the event loop's.

    Args:
        settings: the limits, and the proxies.

    Attributes:
        proxies: see `Proxies`.
        refused: how often somebody was told to come back later.
        turned_away: sockets (their protocols) beyond what their address may have, until they have been told so.
    """

    def __init__(self, settings: SecuritySettings) -> None:
        self.proxies = Proxies(settings.trusted_proxies)
        self.refused = 0
        self.turned_away: set[object] = set()
        self._most = settings.max_connections_per_address
        self._rate = settings.max_requests_per_second_per_address
        self._open: Counter[str] = Counter()
        self._budgets: OrderedDict[str, Budget] = OrderedDict()

    def has_room(self, address: str) -> bool:
        """Whether another connection of it may be opened."""
        return not self._most or self._open[_bucket(address)] < self._most

    def check(self, request: web.Request, now: float) -> contextlib.AbstractContextManager[None]:
        """Let a request pass, or not; what is returned is to be open while it is served.

        Sockets are counted as they are accepted (`door.py`). One of a proxy stands for many clients: there each request
        counts, which for a WebSocket is the same.

        Raises:
            Problem: 429.
        """
        peer = request.remote or ""
        request[ADDRESS] = address = self.proxies.client(peer, request.headers.getall("X-Forwarded-For", ()))
        if request.protocol in self.turned_away:
            refusal = self.too_many()
            refusal.headers["Connection"] = "close"  # it is cut soon: no client shall keep it for its next request
            raise refusal
        self.knock(address, now)
        return self.open(address) if address != peer else contextlib.nullcontext()

    @contextlib.contextmanager
    def open(self, address: str) -> Iterator[None]:
        """Count a connection while it is open.

        Raises:
            Problem: 429, the address has as many as it may have.
        """
        if not self.has_room(address):
            raise self.too_many()
        self.enter(address)
        try:
            yield
        finally:
            self.leave(address)

    def enter(self, address: str) -> None:
        """One connection more."""
        if self._most:
            self._open[_bucket(address)] += 1

    def leave(self, address: str) -> None:
        """One less."""
        if self._most:
            bucket = _bucket(address)
            self._open[bucket] -= 1
            if self._open[bucket] <= 0:
                del self._open[bucket]

    def too_many(self) -> Problem:
        """How an address that has enough is told so."""
        self.refused += 1
        return Problem(
            429,
            "too_many_connections",
            f"{self._most} connections at most of one address (security.max_connections_per_address)",
            headers={"Retry-After": "5"},
        )

    def knock(self, address: str, now: float) -> None:
        """Count a request.

        Raises:
            Problem: 429, they come too fast.
        """
        if not self._rate:
            return
        bucket = _bucket(address)
        budget = self._budgets.setdefault(bucket, Budget())
        self._budgets.move_to_end(bucket)
        if len(self._budgets) > _BUDGETS:
            self._budgets.popitem(last=False)
        if wait_s := budget.spend(0, self._rate, now):
            self.refused += 1
            raise Problem(
                429,
                "rate_limited",
                f"{self._rate} requests a second at most of one address (security.max_requests_per_second_per_address)",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        budget.spend(1, self._rate, now)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, with or without a port; IPv4 in IPv6 is IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _bucket(address: str) -> str:
    """What shares one limit with this address."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address) and not parsed.is_loopback:
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)).network_address)
    return str(parsed or address)
