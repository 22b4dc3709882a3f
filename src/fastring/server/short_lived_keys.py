"""Short-lived keys: what a web app's backend hands to its page. Signed, expiring, of one holder and one protocol.

They are JSON Web Tokens (RFC 7519, HS256), because Deepgram's are. Whoever has one can read what it says, so it says
nothing that helps to find the key that made it. None is kept: each process that has the secret can read them all.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fastring.protocols.messages import write_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ShortLivedKey", "ShortLivedKeys"]

_PURPOSE: Final = b"fastring short-lived keys"  # so that the secret may sign other things elsewhere
_HOLDER_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class ShortLivedKey:
    """What one says.

    Attributes:
        holder: stands for the owner of the key that made it; see `ShortLivedKeys.owner_of`.
        scope: the protocol whose paths it opens.
        expires_s: wall-clock seconds.
        session: the settings that its connections start with.
    """

    holder: str
    scope: str
    expires_s: int
    session: Mapping[str, Any] = field(default_factory=dict)


class ShortLivedKeys:
    """Signs and reads them.

    Args:
        secret: of all processes that are to read them; "" makes one that ends with this process.
    """

    def __init__(self, secret: str = "") -> None:
        own = secret.encode("utf-8", "surrogatepass") or secrets.token_bytes(32)
        self._secret = hmac.digest(own, _PURPOSE, "sha256")
        self._head = _base64(b'{"alg":"HS256","typ":"JWT"}')

    def issue(
        self,
        owner: str,
        scope: str,
        expires_s: int,
        *,
        prefix: str = "",
        session: Mapping[str, Any] | None = None,
    ) -> str:
        """A new one, unlike any other.

        Args:
            owner: short name of the key that asks, or "" on an open server.
            scope: see `ShortLivedKey`.
            expires_s: see `ShortLivedKey`.
            prefix: what its text begins with; without dots.
            session: see `ShortLivedKey`.
        """
        claims = {
            "sub": self._holder(owner),
            "scope": scope,
            "exp": expires_s,
            "jti": secrets.token_hex(8),
            **({"session": session} if session else {}),
        }
        signed = f"{prefix}{self._head}.{_base64(write_object(claims).encode())}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, text: str) -> ShortLivedKey | None:
        """What it says, or None if it was not signed here. Whether it has expired is for the caller to see."""
        signed, _, signature = text.rpartition(".")
        if "." not in signed:
            return None
        if not hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), self._signature(signed).encode()):
            return None
        body = signed.rpartition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return ShortLivedKey(claims["sub"], claims["scope"], claims["exp"], claims.get("session", {}))

    def owner_of(self, key: ShortLivedKey, owners: Iterable[str]) -> str | None:
        """Which of these owners it was made for; None if it was none of them."""
        return next((owner for owner in owners if hmac.compare_digest(self._holder(owner), key.holder)), None)

    def _holder(self, owner: str) -> str:
        """Stands for an owner. The name itself is a part of the key's digest, by which a weak key could be guessed."""
        return hmac.digest(self._secret, b"of " + owner.encode(), "sha256")[:_HOLDER_BYTES].hex()

    def _signature(self, signed: str) -> str:
        return _base64(hmac.digest(self._secret, signed.encode("utf-8", "surrogatepass"), "sha256"))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
