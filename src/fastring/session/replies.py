"""Replies to what is said: which one is wanted, which one no longer, and what it knows of the conversation. No I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from fastring.events import EarlyTrigger, EarlyTriggerRetracted, Final, ReplyDelta, ReplyDone

if TYPE_CHECKING:
    from fastring.events import Event, ReplyEnd

__all__ = ["CancelReply", "ReplyDesk", "StartReply", "Turn"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class StartReply:
    """Ask the language model: `turns` end with what the user said."""

    reply_id: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Nobody wants this reply any more."""

    reply_id: str


@dataclass(slots=True)
class _Reply:
    reply_id: str
    utterance: int
    trigger_id: str
    asked: str
    confirmed: bool
    finished: bool = False
    said: list[str] = field(default_factory=list)


class ReplyDesk:
    """Decides on the replies of one stream. At most one is under way.

    A reply starts on an early trigger, while the user still speaks. It is cancelled when the trigger is taken back,
    goes on if the final confirms it, and is started by the final if there was none. The next utterance's replaces it.
    Every reply that starts is told its end once, and a complete one only when the final has confirmed it.

    Args:
        history: turns of the conversation, of both sides, that a reply knows of.
    """

    def __init__(self, history: int) -> None:
        self._turns: deque[Turn] = deque(maxlen=history)
        self._live: _Reply | None = None
        self._count = 0
        self._told: list[ReplyDelta | ReplyDone] = []

    def receive(self, event: Event) -> list[StartReply | CancelReply]:
        """Take an event of the voice session; what is to be done."""
        live = self._live
        if isinstance(event, EarlyTrigger):
            return self._start(event.utterance, event.trigger_id, event.text, confirmed=False)
        if isinstance(event, EarlyTriggerRetracted) and live is not None and live.trigger_id == event.trigger_id:
            return self._end(live, "retracted")
        if not isinstance(event, Final) or not event.text:
            return []
        if live is None or live.utterance != event.utterance:
            return self._start(event.utterance, "", event.text, confirmed=True)
        live.confirmed = True  # a trigger that the final contradicts was taken back before it
        if live.finished:
            self._complete(live)
        return []

    def receive_delta(self, reply_id: str, text: str) -> None:
        """The language model goes on."""
        live = self._live
        if live is not None and live.reply_id == reply_id and text:
            live.said.append(text)
            self._told.append(ReplyDelta(live.utterance, reply_id, live.trigger_id, text))

    def receive_end(self, reply_id: str, reason: ReplyEnd) -> None:
        """The language model is done (`stop`), or was not to be had."""
        live = self._live
        if live is None or live.reply_id != reply_id:
            return
        if reason != "stop":
            self._end(live, reason)
        elif live.confirmed:
            self._complete(live)
        else:
            live.finished = True

    def events_to_send(self) -> list[ReplyDelta | ReplyDone]:
        """Events since the last call, in order."""
        told, self._told = self._told, []
        return told

    def _start(self, utterance: int, trigger_id: str, text: str, *, confirmed: bool) -> list[StartReply | CancelReply]:
        orders = [] if self._live is None else self._end(self._live, "replaced")
        reply = _Reply(f"r{self._count}", utterance, trigger_id, text, confirmed)
        self._count += 1
        self._live = reply
        return [*orders, StartReply(reply.reply_id, (*self._turns, Turn("user", text)))]

    def _end(self, live: _Reply, reason: ReplyEnd) -> list[StartReply | CancelReply]:
        """It ends incomplete; of one that was confirmed the conversation keeps what was said of it."""
        self._live = None
        self._told.append(ReplyDone(live.utterance, live.reply_id, live.trigger_id, reason))
        if live.confirmed:
            self._remember(live)
        return [] if live.finished or reason in ("failed", "busy") else [CancelReply(live.reply_id)]

    def _complete(self, live: _Reply) -> None:
        self._live = None
        self._told.append(ReplyDone(live.utterance, live.reply_id, live.trigger_id, "stop"))
        self._remember(live)

    def _remember(self, live: _Reply) -> None:
        self._turns.append(Turn("user", live.asked))
        if live.said:
            self._turns.append(Turn("assistant", "".join(live.said)))
