"""How likely a pause ends the utterance, from how long it has lasted and from the pauses of this speaker. Pure.

Pauses within speech have a heavy tail: the longer one has lasted, the longer it is likely to go on (E. Campione and
J. Véronis, "A large-scale multilingual study of silent pause duration", Speech Prosody 2002). Under the simplest such
law, a power law, a pause of length t reaches length T with the chance (t / T)^k. T is the silence that ends an
utterance, so one number is left, k: how often this speaker goes on. Every pause that is observed tells something of it.
A gamma distribution is conjugate to that, so a stream begins with the k of many speakers and ends with its own.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["Pauses"]

# scripts/early_triggers.py --fit: from the recordings of digits and of read speech that the project holds.
_RESTLESSNESS: Final = 0.33
_WORTH: Final = 4.0  # times that a speaker has gone on before these weigh as much as where the stream began
_LEAST_MS: Final = 90.0  # shorter pauses are sounds of speech: the closure of a t or k
_HALF_FRAME_MS: Final = 16.0  # somebody who goes on did so between two frames


class Pauses:
    """The pauses of one stream, so far."""

    def __init__(self) -> None:
        self._resumed = 0
        self._exposure = 0.0
        self._silence_ms = 0.0
        self._wanted_ms = 1.0

    @property
    def observed(self) -> tuple[int, float]:
        """Times the speaker has gone on, and the logarithms of how far the pauses have grown: k is their quotient."""
        return self._resumed, self._exposure

    @property
    def restlessness(self) -> float:
        """k: 0 of one who never goes on after a pause, 0.3 of most, 0.7 of one who reads out a list."""
        return (_WORTH + self._resumed) / (_WORTH / _RESTLESSNESS + self._exposure)

    @property
    def chance(self) -> float:
        """That the pause as it stands ends the utterance, 0..1; 0 while somebody speaks."""
        share = min(1.0, self._silence_ms / self._wanted_ms)
        return float(share**self.restlessness) if share else 0.0

    def observe(self, silence_ms: float, wanted_ms: float) -> None:
        """Take the state of an open utterance after a frame.

        Args:
            silence_ms: since the last frame of speech; 0 while somebody speaks.
            wanted_ms: silence that ends the utterance.
        """
        if not silence_ms and self._silence_ms >= _LEAST_MS:
            self._resumed += 1
            self._close(self._silence_ms + _HALF_FRAME_MS)
        self._silence_ms, self._wanted_ms = silence_ms, wanted_ms

    def end(self, *, by_silence: bool) -> None:
        """The utterance is over; if not by silence, that says nothing of its last pause."""
        if by_silence:
            self._close(self._wanted_ms)
        self._silence_ms = 0.0

    def _close(self, until_ms: float) -> None:
        """A pause is over: count what it tells."""
        self._exposure += math.log(max(_LEAST_MS, min(until_ms, self._wanted_ms)) / _LEAST_MS)
