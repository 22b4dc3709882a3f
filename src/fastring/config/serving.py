"""The socket: its bounds, who may connect, and sessions that wait for their client."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

from fastring.config.fields import require, setting

__all__ = [
    "ResumeSettings",
    "SecuritySettings",
    "ServerSettings",
]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The socket, and the bounds on what a client may ask of it."""

    host: str = setting("127.0.0.1", "address to bind")
    port: int = setting(8000, "port to bind; 0 takes a free one")
    tls_certificate: str = setting("", "file of the TLS certificate and its chain, PEM; empty: no TLS")
    tls_key: str = setting("", "file of its private key, PEM; empty: it is in the certificate's file")
    wyoming_port: int = setting(0, "port for Home Assistant's Wyoming protocol; 0: none")
    wyoming_zeroconf: bool = setting(False, "tell the local network of that port, for Home Assistant to find it")
    processes: int = setting(1, "processes that share the port, each with an engine and limits of its own")
    process_port: int = setting(
        0, "process 1 also listens here on loopback, process 2 on the next port, ...: for metrics; 0: none does"
    )
    metrics_port: int = setting(
        0, "/metrics of all processes together is told here, on loopback, each sample with its process; 0: it is not"
    )
    max_streams: int = setting(256, "streams in one process")
    admit_lag_ms: int = setting(
        3_000, "no new voice streams while finals wait this long for the engine, in ms; 0: they always come in"
    )
    max_sources: int = setting(16, "sources on one connection of /ws/live; each counts as a stream")
    max_message_bytes: int = setting(1 << 20, "largest WebSocket message")
    max_upload_bytes: int = setting(64 << 20, "largest upload")
    max_upload_s: float = setting(14_400.0, "longest upload, in seconds of audio")
    max_uploads: int = setting(8, "uploads that are transcribed at the same time")
    isolate_decoders: bool = setting(True, "containers are decoded in processes of their own, so that FFmpeg may crash")
    idle_timeout_s: float = setting(60.0, "a connection without audio or commands is closed after this long")
    heartbeat_s: float = setting(20.0, "seconds between WebSocket pings")
    send_queue: int = setting(64, "messages that may wait for a slow reader")
    send_timeout_s: float = setting(10.0, "a client that reads nothing for this long is closed with 1013")
    handshake_s: float = setting(10.0, "a request's headers must be here within this time, and a small body after it")
    model_aliases: tuple[str, ...] = setting(
        (
            *("nova-3", "nova-3-general", "nova-2", "nova-2-general", "flux-general-en", "flux-general-multi"),
            *("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-transcribe", "gpt-live-transcribe"),
            *("gpt-realtime", "gpt-realtime-whisper", "gpt-4o-realtime-preview"),
        ),
        "names by which clients of other services may ask for the loaded model",
    )
    protocols: tuple[str, ...] = setting((), "families of endpoints to serve, comma-separated; empty: all of them")
    drain_s: float = setting(3.0, "on shutdown, finish what is queued within this time")
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "lowest level that is logged")
    log_json: bool = setting(False, "log JSON lines")
    otel_endpoint: str = setting(
        "", "OpenTelemetry collector, for example http://127.0.0.1:4318/v1/traces; empty: no traces"
    )

    def __post_init__(self) -> None:
        require(0 <= self.port <= 65_535, "server.port", self.port, "0..65535")
        require(0 <= self.wyoming_port <= 65_535, "server.wyoming_port", self.wyoming_port, "0..65535")
        require(1 <= self.processes <= 256, "server.processes", self.processes, "1..256")
        require(0 <= self.metrics_port <= 65_535, "server.metrics_port", self.metrics_port, "0..65535")
        most = 65_536 - self.processes
        require(0 <= self.process_port <= most, "server.process_port", self.process_port, f"0..{most}")
        require(1 <= self.max_streams <= 100_000, "server.max_streams", self.max_streams, "1..100000")
        require(0 <= self.admit_lag_ms <= 600_000, "server.admit_lag_ms", self.admit_lag_ms, "0..600000")
        require(1 <= self.max_sources <= 64, "server.max_sources", self.max_sources, "1..64")
        require(
            1024 <= self.max_message_bytes <= 1 << 26, "server.max_message_bytes", self.max_message_bytes, "1024..2^26"
        )
        require(1 <= self.send_queue <= 10_000, "server.send_queue", self.send_queue, "1..10000")
        require(
            1024 <= self.max_upload_bytes <= 1 << 32, "server.max_upload_bytes", self.max_upload_bytes, "1024..2^32"
        )
        require(0.1 <= self.idle_timeout_s <= 86_400, "server.idle_timeout_s", self.idle_timeout_s, "0.1..86400")
        require(0.1 <= self.heartbeat_s <= 3600, "server.heartbeat_s", self.heartbeat_s, "0.1..3600")
        require(0.1 <= self.send_timeout_s <= 600, "server.send_timeout_s", self.send_timeout_s, "0.1..600")
        require(0.1 <= self.handshake_s <= 600, "server.handshake_s", self.handshake_s, "0.1..600")
        require(0 <= self.drain_s <= 3600, "server.drain_s", self.drain_s, "0..3600")
        require(1 <= self.max_upload_s <= 86_400, "server.max_upload_s", self.max_upload_s, "1..86400")
        require(1 <= self.max_uploads <= 256, "server.max_uploads", self.max_uploads, "1..256")


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """Who may connect."""

    api_keys: tuple[str, ...] = setting(
        (), "keys, comma-separated; none on loopback means open", env="FASTRING_API_KEYS", secret=True
    )
    api_keys_file: str = setting(
        "",
        "file of keys, one a line, then streams=N and bytes_per_second=N if wanted; read again when it changes",
    )
    max_streams_per_key: int = setting(0, "connections one key may have at a time; 0: no limit of its own")
    max_bytes_per_second_per_key: int = setting(0, "bytes one key may send in a second; 0: no limit of its own")
    max_connections_per_address: int = setting(
        0, "connections one address (IPv6: one /64) may have open at a time; 0: no limit of its own"
    )
    max_requests_per_second_per_address: int = setting(
        0, "requests one address may make in a second, WebSocket handshakes among them; 0: no limit of its own"
    )
    trusted_proxies: tuple[str, ...] = setting(
        (), "addresses and networks of proxies whose X-Forwarded-For says who asks, comma-separated"
    )
    allowed_origins: tuple[str, ...] = setting(
        (), "origins besides the server's own that browsers may come from; * is any"
    )
    signing_secret: str = setting(
        "",
        "signs short-lived keys, 32 characters or more: the same on each host behind one address; none: another one at "
        "each start",
        env="FASTRING_SIGNING_SECRET",
        secret=True,
    )
    allow_public_without_keys: bool = setting(False, "bind to a public address although there are no keys")

    def __post_init__(self) -> None:
        streams, rate = self.max_streams_per_key, self.max_bytes_per_second_per_key
        require(0 <= streams <= 100_000, "security.max_streams_per_key", streams, "0..100000")
        require(0 <= rate <= 1 << 40, "security.max_bytes_per_second_per_key", rate, "0..2^40")
        most, often = self.max_connections_per_address, self.max_requests_per_second_per_address
        require(0 <= most <= 100_000, "security.max_connections_per_address", most, "0..100000")
        require(0 <= often <= 100_000, "security.max_requests_per_second_per_address", often, "0..100000")
        length = len(self.signing_secret)
        require(length == 0 or length >= 32, "security.signing_secret", f"{length} characters", "32 or more, or none")
        for network in self.trusted_proxies:
            require(_is_network(network), "security.trusted_proxies", network, "an address or a network as 10.0.0.0/8")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class ResumeSettings:
    """How a voice session waits for a client whose connection was lost."""

    wait_s: float = setting(60.0, "a session waits this long for its client; 0: not at all")
    max_waiting: int = setting(128, "sessions that may wait; the oldest is given up first")
    max_waiting_bytes: int = setting(256 << 20, "memory that waiting sessions may take")
    max_events: int = setting(256, "events kept per session for a client that missed them")
    catch_up_rate: float = setting(4.0, "seconds of audio a second that a returning client may send; 0: no limit")
    token_lifetime_s: float = setting(86_400.0, "a resume token is good for this long")

    def __post_init__(self) -> None:
        require(0 <= self.wait_s <= 3600, "resume.wait_s", self.wait_s, "0..3600")
        require(1 <= self.max_waiting <= 100_000, "resume.max_waiting", self.max_waiting, "1..100000")
        require(
            1 << 20 <= self.max_waiting_bytes <= 1 << 40,
            "resume.max_waiting_bytes",
            self.max_waiting_bytes,
            "2^20..2^40",
        )
        require(16 <= self.max_events <= 100_000, "resume.max_events", self.max_events, "16..100000")
        require(
            self.catch_up_rate == 0 or 1 < self.catch_up_rate <= 1000,
            "resume.catch_up_rate",
            self.catch_up_rate,
            "0, or above 1 and at most 1000",
        )
        require(1 <= self.token_lifetime_s <= 1e7, "resume.token_lifetime_s", self.token_lifetime_s, "1..1e7")
