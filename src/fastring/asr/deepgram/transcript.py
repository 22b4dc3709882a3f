"""What one segment has been heard as, over as many connections as that took. Pure.

The service answers on the time axis of its connection, which begins with the connection's first sample and never turns
back. A connection hears one segment after another, and a segment may go on on another connection where the last one
broke: from the first sample that was not final. So the transcript keeps which sample of the segment stands at which
sample of the connection, and every word ends up on the stream's own clock, once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastring.asr.deepgram.messages import Result
    from fastring.events import Word

__all__ = ["Transcript"]


class Transcript:
    """One segment of one utterance.

    Args:
        utterance: number of the utterance.
        start: sample of the stream where the segment begins.
    """

    def __init__(self, utterance: int, start: int) -> None:
        self.utterance = utterance
        self.start = start
        self.language = ""
        self._sent_until = start
        self._final_until = start
        self._final: list[Word] = []
        self._interim: tuple[Word, ...] = ()
        self._interim_end = start
        self._shift = 0  # sample of the stream less sample of the connection
        self._origin = start  # first sample of the stream that this connection hears
        self._asked = False
        self._flushed = False
        self._heard = 0
        self._told = 0

    @property
    def sent_until(self) -> int:
        """The connection has been given every sample of the stream before this one."""
        return self._sent_until

    @property
    def final_until(self) -> int:
        """What was said before this sample is settled; a new connection takes up here."""
        return self._final_until

    @property
    def unsettled(self) -> int:
        """Samples that were sent and are not final."""
        return self._sent_until - self._final_until

    @property
    def flushed(self) -> bool:
        """Whether the Finalize has been answered."""
        return self._flushed

    @property
    def has_news(self) -> bool:
        """Whether anything came in since the last `words`."""
        return self._heard != self._told

    def connect(self, position: int) -> None:
        """Go on on a connection that has been given `position` samples so far, with the first one not final."""
        self._origin = self._sent_until = self._final_until
        self._shift = self._origin - position
        self._interim, self._interim_end = (), self._origin
        self._asked = self._flushed = False

    def sent(self, n_samples: int) -> None:
        """The connection has been given that many samples more."""
        self._sent_until += n_samples

    def asked(self) -> None:
        """A Finalize is on its way."""
        self._asked = True

    def take(self, result: Result) -> bool:
        """Take in a result; False if it says nothing new: of an earlier segment, a repetition, or overtaken."""
        end = result.end + self._shift
        if end <= self._origin:
            return False
        flushes = result.is_final and result.from_finalize and self._asked and not self._flushed
        self._flushed = self._flushed or flushes
        fresh = end > self._final_until and (result.is_final or self._is_fresh(result, end))
        if fresh:
            self._settle(result, end) if result.is_final else self._expect(result, end)
            self.language = result.language or self.language
            self._heard += 1
        return fresh or flushes

    def words(self, end: int) -> tuple[Word, ...]:
        """All words so far that begin before sample `end` of the stream, cut off there."""
        self._told = self._heard
        return tuple(replace(word, end=min(word.end, end)) for word in self.peek() if word.start + word.end < 2 * end)

    def peek(self) -> tuple[Word, ...]:
        """All words so far."""
        return (*self._final, *self._interim)

    def _is_fresh(self, result: Result, end: int) -> bool:
        return end > self._interim_end or (end == self._interim_end and self._moved(result) != self._interim)

    def _settle(self, result: Result, end: int) -> None:
        self._final.extend(self._moved(result))
        self._final_until = min(end, self._sent_until)
        self._interim = tuple(word for word in self._interim if word.start >= self._final_until)
        self._interim_end = max(self._interim_end, self._final_until)

    def _expect(self, result: Result, end: int) -> None:
        self._interim, self._interim_end = self._moved(result), end

    def _moved(self, result: Result) -> tuple[Word, ...]:
        """The words of a result on the stream's clock, without those that are settled."""
        moved = (replace(word, start=word.start + self._shift, end=word.end + self._shift) for word in result.words)
        return tuple(word for word in moved if word.start + word.end >= 2 * self._final_until)
