"""What a language model replies to an utterance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ReplyDelta",
    "ReplyDone",
    "ReplyEnd",
]


ReplyEnd = Literal["stop", "retracted", "replaced", "failed", "busy"]


@dataclass(frozen=True, slots=True)
class ReplyDelta:
    """The language model goes on with its reply to an utterance; `trigger_id` is "" if its final asked for it."""

    utterance: int
    reply_id: str
    trigger_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """The reply is complete (`stop`), or will not be: its deltas count for nothing if it was `retracted`."""

    utterance: int
    reply_id: str
    trigger_id: str
    reason: ReplyEnd
