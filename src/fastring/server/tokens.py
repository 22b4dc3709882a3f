"""Resume tokens: signed, expiring, bound to a session, its stream and its owner; nothing in them is secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

__all__ = ["ResumeTokens", "Ticket"]

_MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a token says.

    Attributes:
        session: the server's own name for the session, never the client's.
        stream_id: the client's.
        owner: a short name of the key that opened it.
        epoch: how often the session had been claimed when the token was issued; see `SessionStore.claim`.
        expires_s: wall-clock seconds.
    """

    session: str
    stream_id: str
    owner: str
    epoch: int
    expires_s: int


class ResumeTokens:
    """Signs and reads tokens with one secret (random unless given, so that they end with the process)."""

    def __init__(self, secret: bytes | None = None, *, lifetime_s: float = 86_400) -> None:
        self._secret = secret or secrets.token_bytes(32)
        self._lifetime_s = lifetime_s

    def issue(self, session: str, stream_id: str, owner: str, epoch: int, now_s: float) -> str:
        """A token that is good until `lifetime_s` after `now_s` (wall-clock seconds)."""
        payload = "|".join((session, stream_id, owner, str(epoch), str(int(now_s + self._lifetime_s)))).encode()
        return base64.urlsafe_b64encode(self._mac(payload) + payload).rstrip(b"=").decode()

    def read(self, token: str) -> Ticket | None:
        """What the token says, or None if it was not signed here. Whether it has expired is for the caller to see."""
        try:
            raw = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (ValueError, UnicodeEncodeError):
            return None
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload)):
            return None
        session, stream_id, owner, epoch, expires = payload.decode().split("|")
        return Ticket(session, stream_id, owner, int(epoch), int(expires))

    def _mac(self, payload: bytes) -> bytes:
        return hmac.new(self._secret, payload, hashlib.sha256).digest()[:_MAC_BYTES]
