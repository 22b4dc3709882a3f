"""The analyzer of a live stream as one object per chunk, with and without await."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastring.analysis.analyzer import Analyzer

if TYPE_CHECKING:
    from fastring.analysis.analyzer import Samples

__all__ = ["RealtimeAnalysisResult", "RealtimeAudioAnalyzer"]


@dataclass(frozen=True, slots=True)
class RealtimeAnalysisResult:
    """What one chunk showed. Every number is finite; what is unknown is None.

    Attributes:
        timestamp: as given with the chunk, seconds.
        tempo: beats per minute, or None without a regular beat.
        pitch: Hz of the newest settled pitch frame, or None when it is unvoiced.
        energy: sum of squares of the chunk, mean over channels.
        rms: root mean square of the chunk.
        spectral_centroid: Hz, newest spectral frame.
        spectral_rolloff: Hz, newest spectral frame; 85 % of the magnitude lies below.
        zero_crossing_rate: sign changes per sample of the chunk.
        onset_detected: whether an onset was reported in this chunk.
        onset_strength: of the strongest onset reported in this chunk, else 0.
        onset_sample_indices: absolute sample index of each onset reported in this chunk.
        pitch_confidence: periodicity of the newest settled pitch frame, 0..1.
        tempo_confidence: 0..1.
        peak: largest magnitude of the chunk.
        dc_offset: mean of the chunk.
        spectral_flux: rise in magnitude between the two newest spectral frames.
        spectral_flatness: newest spectral frame, 0 (tone) .. 1 (noise).
        sample_index: samples per channel taken so far, this chunk included.
        non_finite_samples: NaN and infinite samples of the chunk, taken as 0.
    """

    timestamp: float
    tempo: float | None
    pitch: float | None
    energy: float
    rms: float
    spectral_centroid: float
    spectral_rolloff: float
    zero_crossing_rate: float
    onset_detected: bool
    onset_strength: float = 0.0
    onset_sample_indices: tuple[int, ...] = ()
    pitch_confidence: float = 0.0
    tempo_confidence: float = 0.0
    peak: float = 0.0
    dc_offset: float = 0.0
    spectral_flux: float = 0.0
    spectral_flatness: float = 0.0
    sample_index: int = 0
    non_finite_samples: int = 0


class RealtimeAudioAnalyzer:
    """Analyses a live stream chunk by chunk; chunks may have any length.

    Args:
        sample_rate: of the stream, 8000..192000 Hz.
        channels: interleaved channels, 1..32.
        **settings: of `Analyzer`.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(self, sample_rate: float = 44100, channels: int = 1, **settings: Any) -> None:
        self._analyzer = Analyzer(sample_rate, channels, **settings)

    def __repr__(self) -> str:
        a = self._analyzer
        return f"<RealtimeAudioAnalyzer {a.channels} x {a.sample_rate:g} Hz, {a.samples_pushed} samples analysed>"

    @property
    def sample_rate(self) -> float:
        """Samples per second and channel."""
        return self._analyzer.sample_rate

    def analyze(self, chunk: Samples, timestamp: float = 0.0) -> RealtimeAnalysisResult:
        """Analyse one chunk.

        Args:
            chunk: int16 or float32, shape (n,) or, with several channels, (n, channels).
            timestamp: any time of the caller's own, seconds; it is handed back unchanged.

        Returns:
            What is known after this chunk.

        Raises:
            AudioFormatError: wrong dtype, shape or layout; the stream is unchanged.
            BusyError: another thread is analysing.
        """
        f = self._analyzer.push(chunk)
        return RealtimeAnalysisResult(
            timestamp,
            f.tempo,
            f.pitch,
            f.energy,
            f.rms,
            f.spectral_centroid,
            f.spectral_rolloff,
            f.zero_crossing_rate,
            f.onset_detected,
            f.onset_strength,
            tuple(onset[0] for onset in f.onsets),
            f.pitch_confidence,
            f.tempo_confidence,
            f.peak,
            f.dc_offset,
            f.spectral_flux,
            f.spectral_flatness,
            f.sample_index,
            f.non_finite_samples,
        )

    async def analyze_chunk(self, chunk: Samples, timestamp: float = 0.0) -> RealtimeAnalysisResult:
        """`analyze` for `await`: it takes microseconds, so it runs where it is awaited.

        Args:
            chunk: as for `analyze`.
            timestamp: as for `analyze`.

        Returns:
            As `analyze`.
        """
        return self.analyze(chunk, timestamp)

    def reset(self) -> None:
        """Forget the stream: the next chunk is the first of a new one."""
        self._analyzer.reset()
