"""The Wyoming listener told to the local network (mDNS, DNS-SD), so that Home Assistant offers it by itself."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from typing import TYPE_CHECKING

import structlog

from fastring._version import __version__
from fastring.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["SERVICE_TYPE", "announced", "service_name"]

SERVICE_TYPE = "_wyoming._tcp.local."

log = structlog.get_logger("fastring.server")


@contextlib.asynccontextmanager
async def announced(host: str, port: int) -> AsyncIterator[None]:
    """Answer those who look for Wyoming services, and say goodbye at the end.

    Where the network takes no multicast, a warning is logged and the server goes on without.

    Args:
        host: where the listener is bound: one address, a name, or all of them (`0.0.0.0`, `::`).
        port: of the listener.

    Raises:
        ConfigError: zeroconf is not installed.
    """
    try:
        from zeroconf import InterfaceChoice, IPVersion
        from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf
    except ImportError:
        raise ConfigError('server.wyoming_zeroconf: needs `pip install "fastring[zeroconf]"`') from None
    addresses = _addresses(host)
    everywhere = ipaddress.ip_address(host).is_unspecified if _is_address(host) else False
    versions = {ipaddress.ip_address(address).version for address in addresses}
    info = AsyncServiceInfo(
        SERVICE_TYPE,
        f"{service_name()}.{SERVICE_TYPE}",
        parsed_addresses=addresses,
        port=port,
        properties={"version": __version__},
        server=f"{service_name()}.local.",
    )
    try:
        zeroconf = AsyncZeroconf(
            interfaces=InterfaceChoice.All if everywhere else addresses,
            ip_version=IPVersion.All if len(versions) > 1 else IPVersion.V6Only if 6 in versions else IPVersion.V4Only,
        )
    except OSError as error:
        log.warning("not announced", reason=str(error), setting="server.wyoming_zeroconf")
        yield
        return
    try:
        # Several processes of one server say the same.
        await zeroconf.async_register_service(info, cooperating_responders=True)
        log.info("announced", name=info.name, addresses=addresses, port=port)
        yield
        goodbye = await zeroconf.async_unregister_service(info)
        await goodbye
    finally:
        await zeroconf.async_close()


def service_name() -> str:
    """The same for a machine at every start: Home Assistant knows a service again by it."""
    host = socket.gethostname().partition(".")[0] or "host"
    return f"fastring-{host}".encode()[:63].decode(errors="ignore")  # a label of DNS has no more


def _addresses(host: str) -> list[str]:
    """Where the listener is reached, as the announcement gives it."""
    if not _is_address(host):
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    if not ipaddress.ip_address(host).is_unspecified:
        return [host]
    from ifaddr import get_adapters  # zeroconf's own way to know

    found = [ip.ip if ip.is_IPv4 else ip.ip[0] for adapter in get_adapters() for ip in adapter.ips]
    wanted = [str(ip) for ip in found if not ipaddress.ip_address(str(ip)).is_loopback]
    if ipaddress.ip_address(host).version == 4:
        wanted = [ip for ip in wanted if ipaddress.ip_address(ip).version == 4]
    return wanted or ["127.0.0.1"]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
