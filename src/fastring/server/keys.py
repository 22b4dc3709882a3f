"""API keys: who they belong to, what each may use, and a file of them that may change while the server runs."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from fastring.errors import ConfigError
from fastring.server.problems import busy

if TYPE_CHECKING:
    from fastring.config import SecuritySettings

__all__ = ["Allowance", "Budget", "KeyRing", "Quota"]

log = structlog.get_logger("fastring.server")

_OPTION = re.compile(r"(streams|bytes_per_second)=([0-9]{1,12})\Z")
_BURST_S = 2.0


@dataclass(frozen=True, slots=True)
class Quota:
    """What one key may use. 0 is no limit."""

    streams: int = 0
    bytes_per_second: int = 0


class KeyRing:
    """The keys that open the server. Only their digests are kept.

    A file holds one key a line, `#` begins a comment line; after the key may follow `streams=N` and
    `bytes_per_second=N`, which win over the settings of all keys.

    Raises:
        ConfigError: the key file cannot be read or understood.
    """

    def __init__(self, settings: SecuritySettings) -> None:
        self._common = Quota(settings.max_streams_per_key, settings.max_bytes_per_second_per_key)
        self._fixed = {_digest(key.strip()): self._common for key in settings.api_keys if key.strip()}
        self._path = Path(settings.api_keys_file) if settings.api_keys_file else None
        self._seen = self._stamp()
        self._quotas = {**self._fixed, **self._read()}

    def __len__(self) -> int:
        return len(self._quotas)

    def owner(self, key: str) -> str | None:
        """A short name for the key's holder, fit for logs, or None if no such key exists.

        Takes the same time whichever key it is, and whether it is one.
        """
        presented = _digest(key)
        found = None
        for digest in self._quotas:
            if hmac.compare_digest(digest, presented):
                found = _name(digest)
        return found

    def quotas(self) -> dict[str, Quota]:
        """What each owner may use."""
        return {_name(digest): quota for digest, quota in self._quotas.items()}

    def refresh(self) -> bool:
        """Read the file again if it has changed; whether the keys are others now.

        A file that cannot be read or understood changes nothing, and is logged.
        """
        stamp = self._stamp()
        if self._path is None or stamp == self._seen:
            return False
        self._seen = stamp
        try:
            quotas = {**self._fixed, **self._read()}
        except ConfigError as error:
            log.error("keys not reloaded", reason=str(error))
            return False
        if not quotas:
            log.error(
                "keys not reloaded", reason=f"there would be none left in {str(self._path)!r}: the server stays closed"
            )
            return False
        changed, self._quotas = quotas != self._quotas, quotas
        if changed:
            log.info("keys reloaded", keys=len(quotas))
        return changed

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None

    def _read(self) -> dict[bytes, Quota]:
        if self._path is None:
            return {}
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"security.api_keys_file = {str(self._path)!r} cannot be read: {error}") from error
        entries = [(number, line.split()) for number, line in enumerate(lines, 1)]
        return {
            _digest(words[0]): self._quota(number, words[1:])
            for number, words in entries
            if words and not words[0].startswith("#")
        }

    def _quota(self, number: int, options: list[str]) -> Quota:
        values = {"streams": self._common.streams, "bytes_per_second": self._common.bytes_per_second}
        for option in options:
            match = _OPTION.match(option)
            if match is None:  # it may be half a key: it is not shown
                raise ConfigError(
                    f"security.api_keys_file, line {number}: after the key may stand streams=N and bytes_per_second=N"
                )
            values[match[1]] = int(match[2])
        return Quota(**values)


class Budget:
    """Bytes at a steady rate, with two seconds of it saved up at most. Times are monotonic seconds passed in."""

    def __init__(self) -> None:
        self._debt_s = 0.0
        self._at = 0.0

    def spend(self, n_bytes: int, rate: int, now: float) -> float:
        """Use so many of `rate` bytes a second; how long to wait before the next, in seconds."""
        self._debt_s = max(0.0, self._debt_s - (now - self._at)) + n_bytes / rate
        self._at = now
        return max(0.0, self._debt_s - _BURST_S)


class Allowance:
    """What is in use by each key, against what it may use.

    Args:
        keys: which may be reloaded.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._quotas = keys.quotas()
        self._streams: Counter[str] = Counter()
        self._budgets: dict[str, Budget] = {}

    def update(self, keys: KeyRing) -> None:
        """The keys are others now; what is in use stays in use."""
        self._quotas = keys.quotas()

    def knows(self, owner: str) -> bool:
        """Whether that owner's key still opens the server; on an open server all do."""
        return not owner or owner in self._quotas

    def enter(self, owner: str) -> None:
        """Count a connection.

        Raises:
            Problem: 503, the key has as many as it may have.
        """
        most = self._quotas.get(owner, Quota()).streams
        if most and self._streams[owner] >= most:
            raise busy("too_many_streams", f"{most} streams at most with this key", retry_after_s=5)
        self._streams[owner] += 1

    def leave(self, owner: str) -> None:
        """One connection less."""
        self._streams[owner] -= 1
        if not self._streams[owner]:
            del self._streams[owner]

    def spend(self, owner: str, n_bytes: int, now: float) -> float:
        """Bytes have come; how long to wait before more are read, in seconds."""
        if not self._quotas:
            return 0.0
        rate = self._quotas.get(owner, Quota()).bytes_per_second
        return self._budgets.setdefault(owner, Budget()).spend(n_bytes, rate, now) if rate else 0.0


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _name(digest: bytes) -> str:
    return digest.hex()[:8]
