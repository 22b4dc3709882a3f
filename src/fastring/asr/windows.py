"""Where to cut audio that is longer than an engine's window: in the quietest place it has to offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["quiet_cuts"]

_FRAME_S = 0.02
_QUIET_S = 0.2  # a cut is judged by the loudness of this much audio around it


def quiet_cuts(
    samples: NDArray[np.float32], sample_rate: int, *, longest_s: float = 28.0, shortest_s: float = 15.0
) -> list[tuple[int, int]]:
    """Spans (begin, end) that cover `samples`, each at most `longest_s` long and cut where it is quietest.

    Args:
        samples: float32, shape (n,).
        sample_rate: in Hz.
        longest_s: no span is longer.
        shortest_s: no span but the last is shorter.
    """
    longest, shortest = int(longest_s * sample_rate), int(shortest_s * sample_rate)
    spans: list[tuple[int, int]] = []
    begin = 0
    while len(samples) - begin > longest:
        cut = begin + shortest + _quietest(samples[begin + shortest : begin + longest], sample_rate)
        spans.append((begin, cut))
        begin = cut
    return [*spans, (begin, len(samples))]


def _quietest(samples: NDArray[np.float32], sample_rate: int) -> int:
    """Middle of the quietest stretch; of equals the last, so that spans are as long as they may be."""
    hop = max(1, int(_FRAME_S * sample_rate))
    n_frames = len(samples) // hop
    power = np.mean(np.square(samples[: n_frames * hop].reshape(n_frames, hop)), axis=1)
    width = min(round(_QUIET_S / _FRAME_S), n_frames)
    loudness = np.convolve(power, np.ones(width, np.float32), mode="valid")
    at = len(loudness) - 1 - int(np.argmin(loudness[::-1]))
    return at * hop + width * hop // 2
