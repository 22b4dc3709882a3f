"""The protocol of a recitation: the native one, of which clients are told the feedback alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastring.events import Closed
from fastring.protocols.native import NativeCodec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastring.events import Event
    from fastring.protocols.codec import Message

__all__ = ["ReciteCodec"]


class ReciteCodec(NativeCodec):
    """The native protocol, but the close code alone tells the end: the result has been the last message."""

    def encode(self, event: Event) -> Sequence[Message]:
        """See `Codec.encode`."""
        return () if isinstance(event, Closed) else super().encode(event)
