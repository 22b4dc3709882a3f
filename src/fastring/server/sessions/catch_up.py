"""How fast a client that came back may send what it could not send: a fleet that lost a node is no stampede."""

from __future__ import annotations

__all__ = ["CatchUp"]

_BURST_S = 1.0
_LONGEST_S = 120.0


class CatchUp:
    """Audio against the clock for a while after a resume; then, and before, nothing is limited.

    A live client that was away for T seconds has T seconds of audio waiting, and at R times real time needs T / (R - 1)
    for it. The limit lasts that long, so who only uploads a file is not held back for good.

    Args:
        rate: seconds of audio per second of time, above 1; 0 is no limit.
        sample_rate: of the audio.
    """

    def __init__(self, rate: float, sample_rate: int) -> None:
        self._rate = rate
        self._sample_rate = sample_rate
        self._began_s = 0.0
        self._until_s = 0.0
        self._taken_s = 0.0

    def limits(self, now: float) -> bool:
        """Whether anything is limited now; `note` and `wait_s` matter only then."""
        return now < self._until_s

    def begin(self, now: float, away_s: float) -> None:
        """The client is back after so many seconds without audio."""
        if self._rate > 1:
            self._began_s = now
            self._until_s = now + min(_BURST_S + away_s / (self._rate - 1), _LONGEST_S)
            self._taken_s = 0.0

    def note(self, samples: int) -> None:
        """Audio was taken."""
        self._taken_s += samples / self._sample_rate

    def wait_s(self, now: float) -> float:
        """How long no more audio should be taken; 0 is go on."""
        if now >= self._until_s:
            return 0.0
        due_s = self._began_s + (self._taken_s - _BURST_S) / self._rate
        return max(0.0, min(due_s, self._until_s) - now)
