"""The protocol of a recitation: the native one, of which clients are told the feedback alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fastring.events import Close, Closed
from fastring.protocols.native import NativeCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastring.events import Command, Event
    from fastring.protocols.codec import Message

__all__ = ["ReciteCodec"]


class ReciteCodec(NativeCodec):
    """The native protocol, but where the client said `end`, the result is the last message and no `closed` follows."""

    _ended = False

    def encode(self, event: Event) -> Sequence[Message]:
        """See `Codec.encode`."""
        return () if isinstance(event, Closed) and self._ended else super().encode(event)

    def _end(self, _message: dict[str, Any]) -> list[Command]:
        self._ended = True
        return [Close()]

    _READERS: ClassVar[dict[str, Callable[[Any, dict[str, Any]], list[Command]]]] = {
        **NativeCodec._READERS,
        "end": _end,
    }
