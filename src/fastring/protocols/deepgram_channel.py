"""One channel of Deepgram's live protocol: what is heard in it becomes Results that follow each other without gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastring import events
from fastring.protocols.deepgram_results import alternative, seconds, text_between

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Channel", "LiveOptions"]

Fields = dict[str, Any]

_RATE: Final = 16_000  # of the samples in events
_LONG_SPEECH: Final = 3 * _RATE  # stable words of so long are told as final while speech goes on
_SILENCE: Final = 5 * _RATE  # so much silence is told as final,
_SILENCE_INTERIM: Final = _RATE  # and so much as interim
_NOTHING: Final = alternative("", (), 0.0, sample_rate=_RATE, punctuate=False)
_REST: Final = _RATE // 50  # so little at the end is not worth a result


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What a client asked for in its query, as far as the wire shows it.

    Attributes:
        interim: results that are not final, too.
        punctuate: transcripts as the engine writes them; else in lower case and without punctuation.
        vad_events: say `SpeechStarted`.
        endpointing_ms: silence that must follow a final for `speech_final`; 0: as much as ended the utterance is
            enough; None: `speech_final` is never said.
        utterance_end_ms: gap after the last word that is told by `UtteranceEnd`; None: it is not.
    """

    interim: bool = True
    punctuate: bool = False
    vad_events: bool = False
    endpointing_ms: int | None = 0
    utterance_end_ms: int | None = None


class Channel:
    """How far a channel is told, and what its silence is still to bring. Times in samples.

    Words that are stable are told as final once they last three seconds, while speech goes on; the utterance's last
    result brings the rest of it. Silence is told by results without words: a final one every five seconds, and one
    that is not every second.

    Attributes:
        punctuate: see `LiveOptions`; it may change at any time.
    """

    def __init__(self, options: LiveOptions, *, punctuate: bool) -> None:
        self.punctuate = punctuate
        self._options = options
        self._told = 0  # the next result starts here
        self._told_words = 0  # of the utterance
        self._heard = 0
        self._hinted = 0  # silence is told up to here, if only by an interim result
        self._speaking = False
        self._unended: int | None = None  # end of an utterance whose silence is not yet long enough for speech_final
        self._last_word_end: int | None = None  # of the last final, until UtteranceEnd is told of it

    def tell(self, event: object) -> list[Fields]:
        """What an event becomes: messages without their channel and metadata."""
        return _TELLERS[type(event)](self, event)

    def end(self) -> list[Fields]:
        """The stream is over: the silence that is left."""
        return [self._silence(self._heard)] if self._heard > self._told + _REST else []

    # --- speech ------------------------------------------------------------------------------------------------------

    def _speech_started(self, event: events.SpeechStarted) -> list[Fields]:
        if event.silent:
            return []
        told = self._silence_until(event.start)
        self._speaking, self._unended, self._told_words = True, None, 0
        if self._options.vad_events:
            told.append({"type": "SpeechStarted", "timestamp": seconds(event.start, _RATE)})
        return told

    def _partial(self, event: events.Partial) -> list[Fields]:
        told = []
        stable = next((n for n, word in enumerate(event.words) if not word.stable), len(event.words))
        words = event.words[self._told_words : stable]
        if words and words[-1].end - words[0].start >= _LONG_SPEECH:
            told.append(self._result(self._spoken(event, stable), words[-1].end, is_final=True))
            self._told_words = stable
        if self._options.interim and (self._told_words < len(event.words) or not told):
            told.append(self._result(self._spoken(event, len(event.words)), event.end))
        return told

    def _final(self, event: events.Final) -> list[Fields]:
        spoken = self._spoken(event, len(event.words))
        end = max(event.end, event.words[-1].end if event.words else 0)
        wanted_ms = self._options.endpointing_ms
        ended = event.ended_by == "silence" and wanted_ms is not None
        if self._speaking:  # else it only answers a finalize
            self._speaking, self._unended = False, event.end if ended and wanted_ms else None
        if event.words:
            self._last_word_end = event.words[-1].end
        self._told_words = 0
        speech_final = ended and not wanted_ms
        return [self._result(spoken, end, is_final=True, speech_final=speech_final, from_finalize=event.from_finalize)]

    # --- silence -----------------------------------------------------------------------------------------------------

    def _heard_up_to(self, event: events.Heard) -> list[Fields]:
        self._heard = event.position
        if self._speaking:
            return []
        told = self._silence_until(event.position)
        if event.position - self._told >= _SILENCE:
            told.append(self._silence(event.position))
        elif self._options.interim and event.position - max(self._told, self._hinted) >= _SILENCE_INTERIM:
            self._hinted = event.position
            told.append(self._result(_NOTHING, event.position))
        return told

    def _silence(self, end: int, *, speech_final: bool = False) -> Fields:
        """Nothing was said from where the last result ended."""
        return self._result(_NOTHING, end, is_final=True, speech_final=speech_final)

    def _silence_until(self, position: int) -> list[Fields]:
        """What has become due by a silence that lasts up to here: the end of the speech, and of the utterance."""
        told: list[tuple[int, Fields]] = []
        if self._unended is not None:
            due = self._unended + (self._options.endpointing_ms or 0) * _RATE // 1000
            if due <= position:
                self._unended = None
                told.append((due, self._silence(due, speech_final=True)))
        if self._last_word_end is not None and self._options.utterance_end_ms is not None:
            due = self._last_word_end + self._options.utterance_end_ms * _RATE // 1000
            if due <= position:
                last_word_end, self._last_word_end = seconds(self._last_word_end, _RATE), None
                told.append((due, {"type": "UtteranceEnd", "last_word_end": last_word_end}))
        return [message for _, message in sorted(told, key=lambda it: it[0])]

    def _spoken(self, event: events.Partial | events.Final, last: int) -> Fields:
        """The alternative of the words that are not told, up to word `last`."""
        words = event.words[self._told_words : last]
        text = text_between(event.text, event.words, self._told_words, last)
        confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
        return alternative(text, words, confidence, sample_rate=_RATE, punctuate=self.punctuate)

    def _result(
        self,
        spoken: Fields,
        end: int,
        *,
        is_final: bool = False,
        speech_final: bool = False,
        from_finalize: bool = False,
    ) -> Fields:
        """What was said from where the last final result ended; a final one moves that border."""
        start, end = self._told, max(end, self._told)
        if is_final:
            self._told = end
        return {
            "type": "Results",
            "start": seconds(start, _RATE),
            "duration": round(seconds(end, _RATE) - seconds(start, _RATE), 3),
            "is_final": is_final,
            "speech_final": speech_final,
            "from_finalize": from_finalize,
            "channel": {"alternatives": [spoken]},
        }


_TELLERS: Final[dict[type, Callable[[Channel, Any], list[Fields]]]] = {
    events.SpeechStarted: Channel._speech_started,
    events.Partial: Channel._partial,
    events.Final: Channel._final,
    events.Heard: Channel._heard_up_to,
    events.SpeechEnded: lambda _channel, _event: [],  # its final has said it
    events.EarlyTrigger: lambda _channel, _event: [],
    events.EarlyTriggerRetracted: lambda _channel, _event: [],
}
