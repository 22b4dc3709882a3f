"""An analysis stream without I/O: audio and the time go in, measurements and the next deadline come out.

Audio goes through the stream's ring to the native analyzer as it arrives, so what a message costs does not grow with
the time since the last one, and no onset is missed. Messages are due on a grid of 1 / `update_hz` seconds of wall-clock
time that starts with the first audio after a quiet time: that audio is answered at once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastring.analysis.analyzer import Analyzer, Features
from fastring.audio.pcm import pcm16_to_float32
from fastring.audio.ring import RingBuffer
from fastring.config import AnalysisSettings
from fastring.errors import AudioFormatError
from fastring.events import Analysis
from fastring.session.stats import LatencyLog, buffer_stats

__all__ = ["AnalysisSession"]

_FLOAT32_BYTES = 4


class _Window:
    """What was measured since the last message: levels over all of it, the newest of everything else, every onset."""

    def __init__(self) -> None:
        self.samples = 0
        self.energy = 0.0
        self.peak = 0.0
        self.crossings = 0.0
        self.onsets: list[int] = []
        self.newest: Features | None = None

    def add(self, features: Features, samples: int, offset: int) -> None:
        """Take the features of a chunk of `samples` per channel; `offset` is where in the stream the analyzer began."""
        self.samples += samples
        self.energy += features.energy
        self.peak = max(self.peak, features.peak)
        self.crossings += features.zero_crossing_rate * samples
        self.onsets.extend(onset[0] + offset for onset in features.onsets)
        self.newest = features


class AnalysisSession:
    """Measures one stream and says when there is something to send.

    One owner at a time. `now` is any monotonic clock in seconds; it never goes back.

    Args:
        stream_id: its name.
        sample_rate: in Hz, 8000..192000.
        channels: interleaved channels, 1..32.
        settings: size of the ring and rate of the messages.
        timer: seconds, for the analysis latency that `stats` reports.

    Raises:
        ConfigError: a rate or channel count out of range.
    """

    def __init__(
        self,
        stream_id: str,
        *,
        sample_rate: int,
        channels: int = 1,
        settings: AnalysisSettings | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.stream_id = stream_id
        self.sample_rate = sample_rate
        self.channels = channels
        self.settings = settings or AnalysisSettings()
        self._timer = timer
        self._analyzer = Analyzer(sample_rate, channels)
        self._ring = RingBuffer(self.settings.ring_bytes // (_FLOAT32_BYTES * channels), channels, "float32")
        self._reader = self._ring.reader()
        self._offset = 0
        self._window = _Window()
        self._paused = False
        self._due_s = -math.inf
        self._started_s = 0.0
        self._heard_s = 0.0
        self._messages = 0
        self._bytes = 0
        self._latency = LatencyLog()

    @property
    def ring(self) -> RingBuffer:
        """The stream's ring (float32), for further readers."""
        return self._ring

    @property
    def dropped_samples(self) -> int:
        """Samples (of all channels at a time) that were overwritten before they were measured."""
        return self._reader.dropped

    @property
    def paused(self) -> bool:
        """Whether audio passes unmeasured."""
        return self._paused

    def receive_audio(self, samples: NDArray[np.float32] | NDArray[np.int16], now: float) -> None:
        """Take a chunk of any length.

        Args:
            samples: float32 or int16, interleaved, shape (n * channels,) or (n, channels).
            now: when it came, in seconds.

        Raises:
            AudioFormatError: wrong dtype or shape; nothing was taken.
            BufferClosedError: after `close`.
        """
        flat = self._checked(samples)
        if self._messages == 0:
            self._started_s = now
        self._heard_s = now
        if self._window.newest is None:  # quiet until now: due at once, unless a message has just gone
            self._due_s = max(self._due_s, now)
        self._messages += 1
        self._bytes += samples.nbytes
        step = self._ring.capacity * self.channels  # a chunk longer than the ring goes through it in pieces
        for start in range(0, flat.size, step):
            self._ring.write(flat[start : start + step])
            self._measure()

    def next_deadline(self) -> float | None:
        """When `take_analysis` will have something, in seconds of the caller's clock; None while nothing new came."""
        return self._due_s if self._window.newest is not None else None

    def take_analysis(self, now: float) -> Analysis | None:
        """The measurements since the last ones, if they are due at `now`."""
        if self._window.newest is None or now < self._due_s:
            return None
        period_s = 1.0 / self.settings.update_hz
        # On the grid while audio flows, so that the rate is exact; a new grid after a quiet time or a long delay.
        self._due_s = self._due_s + period_s if now < self._due_s + period_s else now + period_s
        return self.take_pending()

    def take_pending(self) -> Analysis | None:
        """The measurements since the last ones, due or not; None if there are none."""
        window, self._window = self._window, _Window()
        newest = window.newest
        if newest is None:
            return None
        return Analysis(
            end=newest.sample_index + self._offset,
            tempo=newest.tempo,
            tempo_confidence=newest.tempo_confidence,
            pitch=newest.pitch,
            pitch_confidence=newest.pitch_confidence,
            energy=window.energy,
            rms=math.sqrt(window.energy / window.samples),
            peak=window.peak,
            spectral_centroid=newest.spectral_centroid,
            spectral_rolloff=newest.spectral_rolloff,
            zero_crossing_rate=window.crossings / window.samples,
            onsets=tuple(window.onsets),
            buffer_usage=self._ring.stats().usage,
            dropped=self._reader.dropped,
        )

    def reset(self) -> None:
        """Forget pitch, tempo and all history; the sample clock goes on."""
        self._analyzer.reset()
        self._offset = self._ring.write_index
        self._window = _Window()

    def pause(self) -> None:
        """Let audio pass unmeasured: it is held and counted, and the sample clock goes on."""
        self._paused = True
        self._window = _Window()

    def resume(self) -> None:
        """Measure again, from the next chunk on; what lies on both sides of the pause is never measured as one."""
        if self._paused:
            self._paused = False
            self.reset()

    def close(self) -> None:
        """Take no more audio."""
        self._ring.close()

    def stats(self, now: float | None = None) -> dict[str, Any]:
        """The fields of `native_protocol`'s stats that a session knows. Without `now`, up to the latest audio."""
        return {
            "stream_id": self.stream_id,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "paused": self._paused,
            "buffer": buffer_stats(self._ring),
            "messages": self._messages,
            "bytes": self._bytes,
            "analysis": self._latency.stats(),
            "uptime_s": (self._heard_s if now is None else now) - self._started_s if self._messages else 0.0,
        }

    def _checked(self, samples: NDArray[np.float32] | NDArray[np.int16]) -> NDArray[np.float32]:
        if samples.ndim == 2 and samples.shape[1] == self.channels:
            samples = samples.reshape(-1)
        if samples.ndim != 1 or samples.size % self.channels:
            raise AudioFormatError(
                f"audio of shape {samples.shape}: must be (n * {self.channels},) or (n, {self.channels}), "
                f"interleaved for {self.channels} channels"
            )
        if samples.dtype == np.int16:
            return pcm16_to_float32(np.ascontiguousarray(samples))
        if samples.dtype != np.float32:
            raise AudioFormatError(f"audio of dtype {samples.dtype}: must be float32 or int16")
        return np.ascontiguousarray(samples)

    def _measure(self) -> None:
        chunk = self._reader.read()
        if self._paused:
            return
        before = self._timer()
        features = self._analyzer.push(chunk)
        self._latency.add(self._timer() - before)
        self._window.add(features, len(chunk), self._offset)
