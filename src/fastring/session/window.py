"""The decoding window in force: longer when the engine is slow, shorter when it is quick. Pure, shared by sessions."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastring.config import VoiceSettings

__all__ = ["AdaptiveWindow"]

_STEP_S: Final = 0.5
_MEASURED: Final = 10  # latencies whose mean decides; after a step as many new ones are waited for
_DECODES_PER_WINDOW: Final = 4
_LEAST_HOP_S: Final = 0.5


class AdaptiveWindow:
    """How much audio a decoding window spans, and how far apart the decodes of an open segment are.

    Each outcome's latency is observed; a mean above `adaptive_latency_high_ms` lengthens the window by 0.5 s up to
    `window_max`, one under `adaptive_latency_low_ms` shortens it by 0.5 s down to `window_min`. An open segment is
    decoded four times per window, overlap not counted, but at most twice a second: nobody reads faster.

    Args:
        settings: the window at the start, its bounds and the latency limits.
    """

    def __init__(self, settings: VoiceSettings) -> None:
        self._settings = settings
        self._seconds = settings.window_seconds
        self._latencies: deque[float] = deque(maxlen=_MEASURED)

    @property
    def seconds(self) -> float:
        """The window in force."""
        return self._seconds

    @property
    def hop_seconds(self) -> float:
        """Audio between two decodes of an open segment."""
        return max(_LEAST_HOP_S, (self._seconds - self._settings.overlap_seconds) / _DECODES_PER_WINDOW)

    def observe(self, latency_ms: float) -> None:
        """Take note of how long a job took, from due to answered."""
        self._latencies.append(latency_ms)
        if len(self._latencies) < _MEASURED:
            return
        mean = sum(self._latencies) / _MEASURED
        settings = self._settings
        step = _STEP_S * ((mean > settings.adaptive_latency_high_ms) - (mean < settings.adaptive_latency_low_ms))
        wanted = min(max(self._seconds + step, settings.window_min), settings.window_max)
        if wanted != self._seconds:
            self._seconds = wanted
            self._latencies.clear()
