"""A recitation: what a voice session hears goes in, feedback on each word of the reference comes out. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastring.events import (
    Closed,
    Failure,
    Final,
    Latency,
    Partial,
    Recitation,
    RecitationFailed,
    RecitationResult,
    Status,
)
from fastring.recitation.feedback import Feedback
from fastring.recitation.spelling import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastring.events import Event

__all__ = ["RecitationSession"]

_NO_LATENCY = Latency(0.0, 0.0, 0.0, 0.0)
_INSTEAD = "POST /verify takes the whole recording"


class RecitationSession:
    """Follows one recitation through the events of its voice session.

    Every final of the voice session is a decode of a whole stretch of speech, and every accepted stretch gets one, so
    the finals together are the full pass over the recitation. If one of them fails, there is no result, and the client
    is told where the whole recording can be verified at once.

    Args:
        reference: the text that is recited, one word or more.
        minor: similarity (0..1) from which a word that is not right is a minor mistake.

    Raises:
        ConfigError: there is no word in the reference.
    """

    def __init__(self, reference: str, minor: float) -> None:
        self._feedback = Feedback(reference, minor)
        self._settled: list[str] = []
        self._heard: list[str] = []
        self._last = self._feedback.update([])
        self._finals: dict[int, str] = {}
        self._failure = ""
        self._end = 0

    def receive(
        self, event: Event, *, queue_depth: int = 0, samples: int = 0
    ) -> Recitation | RecitationResult | RecitationFailed | None:
        """Take an event of the voice session; return what the client is to be told, if anything.

        Args:
            event: any.
            queue_depth: jobs of this client that wait for the engine.
            samples: length of the audio so far, silence before and after the words included.
        """
        self._end = max(self._end, samples)
        if isinstance(event, Partial):
            self._end = max(self._end, event.end)
            stable = words_of(event.stable_text)
            self._hear(words_of(event.text), len(stable))
            return self._tell(event.latency, queue_depth)
        if isinstance(event, Final):
            return self._take_final(event, queue_depth)
        if isinstance(event, Status) and event.state == "server_busy":
            return self._tell(_NO_LATENCY, event.queue_depth, busy=True)
        if isinstance(event, Failure):
            self._failure = event.message if event.text_lost else self._failure
            return self._tell(
                _NO_LATENCY, queue_depth, error=f"{event.message}; POST /verify takes the whole recording"
            )
        return self._finish() if isinstance(event, Closed) else None

    def _take_final(self, final: Final, queue_depth: int) -> Recitation | None:
        self._end = max(self._end, final.end)
        if not final.text:
            return None
        self._finals[final.utterance] = final.text
        self._hear(words_of(final.text), None)
        return self._tell(final.latency, queue_depth)

    def _hear(self, words: Sequence[str], stable: int | None) -> None:
        """These are the words of the utterance that is open; `stable` of them stay, all if None."""
        heard = [*self._settled, *words]
        settled = len(heard) if stable is None else len(self._settled) + stable
        self._last = self._feedback.update(heard, settled)
        self._heard = heard
        if stable is None:
            self._settled = heard

    def _tell(self, latency: Latency, queue_depth: int, *, busy: bool = False, error: str = "") -> Recitation:
        words, extra = self._last
        return Recitation(" ".join(self._heard), words, extra, latency, queue_depth, server_busy=busy, error=error)

    def _finish(self) -> RecitationResult | RecitationFailed:
        if self._failure:
            return RecitationFailed(self._failure)
        transcript = " ".join(self._finals[number] for number in sorted(self._finals))
        return RecitationResult(self._feedback.finish(words_of(transcript), transcript), self._end)
