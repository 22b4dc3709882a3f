"""What a live stream has shown so far: levels, pitch, onsets, words and latencies, from the server's own messages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["COLUMN_S", "Latencies", "LiveState"]

COLUMN_S = 0.05
"""Time of one column of the history."""

Message = Mapping[str, Any]


@dataclass(slots=True)
class Latencies:
    """Milliseconds between what was said and what came back.

    Attributes:
        analysis: from the moment a sample was spoken to the analysis that includes it, one per message.
        first_partial: from the start of speech to the first partial, one per utterance.
        partial_to_final: from the last partial to the final, one per utterance.
        last_word_to_final: from the end of the last word to the final, one per utterance.
    """

    analysis: list[float] = field(default_factory=list)
    first_partial: list[float] = field(default_factory=list)
    partial_to_final: list[float] = field(default_factory=list)
    last_word_to_final: list[float] = field(default_factory=list)


class LiveState:
    """Takes the messages of an analysis stream and a voice stream of the same audio, played in real time.

    Args:
        started_s: when sample 0 was spoken, on the clock of `receive`.
    """

    def __init__(self, started_s: float) -> None:
        self.started_s = started_s
        self.latencies = Latencies()
        self.level_db: dict[int, float] = {}
        self.pitch_hz: dict[int, float] = {}
        self.onsets_s: list[float] = []
        self.tempo: float | None = None
        self.buffer_usage = 0.0
        self.dropped = 0
        self.finals: list[Message] = []
        self.partial: Message | None = None
        self.partials = 0
        self.errors: list[str] = []
        self.history: list[tuple[float, Message]] = []
        self._shown_to = -1
        self._speech_start_s: float | None = None
        self._partial_at = 0.0

    @property
    def text(self) -> str:
        """All finals so far."""
        return " ".join(final["text"] for final in self.finals if final["text"])

    @property
    def words(self) -> list[Message]:
        """The words of all finals so far."""
        return [word for final in self.finals for word in final["words"]]

    def receive(self, message: Message, now: float) -> None:
        """Take a message that came at `now`; kinds that are not shown are passed over."""
        self.history.append((now, message))
        match message["type"]:
            case "analysis":
                self._take_analysis(message, now)
            case "speech_started":
                self._speech_start_s = message["start"]
            case "partial":
                self._take_partial(message, now)
            case "final":
                self._take_final(message, now)
            case "error":
                self.errors.append(f"{message['code']}: {message['message']}")

    def elapsed_s(self, now: float) -> float:
        """Seconds of the stream at `now`."""
        return now - self.started_s

    def _take_analysis(self, message: Message, now: float) -> None:
        self.latencies.analysis.append(1e3 * (self.elapsed_s(now) - message["timestamp"]))
        # A message speaks for everything since the one before it, however many columns that is.
        last = int(message["timestamp"] / COLUMN_S)
        for column in range(min(self._shown_to + 1, last), last + 1):
            self.level_db[column] = 20 * math.log10(max(message["rms"], 1e-5))
            if message["pitch"] is not None:
                self.pitch_hz[column] = message["pitch"]
        self._shown_to = last
        self.onsets_s.extend(message["onsets"])
        self.tempo = message["tempo"]
        self.buffer_usage, self.dropped = message["buffer_usage"], message["dropped"]

    def _take_partial(self, message: Message, now: float) -> None:
        if self.partial is None:
            start = message["start"] if self._speech_start_s is None else self._speech_start_s
            self.latencies.first_partial.append(1e3 * (self.elapsed_s(now) - start))
        self.partial, self._partial_at = message, now
        self.partials += 1

    def _take_final(self, message: Message, now: float) -> None:
        if self.partial is not None:
            self.latencies.partial_to_final.append(1e3 * (now - self._partial_at))
        if message["words"]:
            self.latencies.last_word_to_final.append(1e3 * (self.elapsed_s(now) - message["words"][-1]["end"]))
        self.partial, self._speech_start_s = None, None
        self.finals.append(message)
