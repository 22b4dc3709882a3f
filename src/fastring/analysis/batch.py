"""Whole recordings in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastring.analysis.analyzer import Analyzer
from fastring.audio.format import MAX_CHANNELS
from fastring.errors import AudioFormatError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fastring.analysis.analyzer import Samples

__all__ = ["Tracks", "analyze"]


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Everything the analyzer found in one recording. Times are in seconds from its start.

    Attributes:
        sample_rate: of the recording, Hz.
        duration_s: of the recording.
        onset_time_s: float64 (n_onsets,), estimated start of each onset.
        onset_strength: float32 (n_onsets,), rise above the local mean, per band in octaves.
        frame_time_s: float64 (n_frames,), end of each spectral frame, one every 20 ms.
        rms: float32 (n_frames,), of the 20 ms before `frame_time_s`, channels mixed down; likewise `peak` and
            `zero_crossing_rate`.
        peak: float32 (n_frames,).
        zero_crossing_rate: float32 (n_frames,), sign changes per sample.
        spectral_centroid: float32 (n_frames,), Hz.
        spectral_rolloff: float32 (n_frames,), Hz.
        spectral_flux: float32 (n_frames,).
        spectral_flatness: float32 (n_frames,), 0..1.
        pitch_time_s: float64 (n_pitches,), centre of each pitch window, one every 10 ms.
        pitch: float32 (n_pitches,), Hz, 0 where unvoiced.
        pitch_confidence: float32 (n_pitches,), periodicity 0..1.
        tempo_time_s: float64 (n_tempos,), when each estimate was made.
        tempo_track: float32 (n_tempos,), BPM, 0 where there was no regular beat.
        tempo: the last estimate, BPM, or None.
        tempo_confidence: of the last estimate, 0..1.
        non_finite_samples: NaN and infinite samples, taken as 0.
    """

    sample_rate: float
    duration_s: float
    onset_time_s: npt.NDArray[np.float64]
    onset_strength: npt.NDArray[np.float32]
    frame_time_s: npt.NDArray[np.float64]
    rms: npt.NDArray[np.float32]
    peak: npt.NDArray[np.float32]
    zero_crossing_rate: npt.NDArray[np.float32]
    spectral_centroid: npt.NDArray[np.float32]
    spectral_rolloff: npt.NDArray[np.float32]
    spectral_flux: npt.NDArray[np.float32]
    spectral_flatness: npt.NDArray[np.float32]
    pitch_time_s: npt.NDArray[np.float64]
    pitch: npt.NDArray[np.float32]
    pitch_confidence: npt.NDArray[np.float32]
    tempo_time_s: npt.NDArray[np.float64]
    tempo_track: npt.NDArray[np.float32]
    tempo: float | None
    tempo_confidence: float
    non_finite_samples: int


def analyze(samples: Samples, sample_rate: float, **settings: Any) -> Tracks:
    """Analyse a whole recording.

    The same frames and events as an `Analyzer` fed chunk by chunk, as arrays.

    Args:
        samples: int16 or float32, shape (n,) mono or (n, channels).
        sample_rate: 8000..192000 Hz.
        **settings: of `Analyzer`.

    Returns:
        The tracks. A recording shorter than a frame gives empty ones.

    Raises:
        AudioFormatError: wrong dtype, shape or layout; a row is a frame, so (channels, n) is none.
        ConfigError: a setting is out of range.
    """
    shape: tuple[int, ...] = getattr(samples, "shape", (0,))
    if len(shape) not in (1, 2):
        raise AudioFormatError(f"samples must have shape (n,) or (n, channels), not {shape}")
    if len(shape) == 2 and not 1 <= shape[1] <= MAX_CHANNELS:
        hint = ": pass np.ascontiguousarray(samples.T)" if 1 <= shape[0] <= MAX_CHANNELS else ""
        raise AudioFormatError(f"samples of shape {shape} have {shape[1]} channels, not 1 to {MAX_CHANNELS}{hint}")
    analyzer = Analyzer(sample_rate, shape[1] if len(shape) == 2 else 1, **settings)
    t = analyzer.push_tracks(samples)
    tempo = float(t["tempo"][-1]) if len(t["tempo"]) else 0.0
    return Tracks(
        sample_rate=sample_rate,
        duration_s=shape[0] / sample_rate,
        onset_time_s=t["onset_sample_index"] / sample_rate,
        onset_strength=t["onset_strength"],
        frame_time_s=t["spectrum_end_index"] / sample_rate,
        rms=t["rms"],
        peak=t["peak"],
        zero_crossing_rate=t["zero_crossing_rate"],
        spectral_centroid=t["spectral_centroid"],
        spectral_rolloff=t["spectral_rolloff"],
        spectral_flux=t["spectral_flux"],
        spectral_flatness=t["spectral_flatness"],
        pitch_time_s=t["pitch_centre_index"] / sample_rate,
        pitch=t["pitch"],
        pitch_confidence=t["pitch_confidence"],
        tempo_time_s=t["tempo_sample_index"] / sample_rate,
        tempo_track=t["tempo"],
        tempo=tempo if tempo > 0 else None,
        tempo_confidence=float(t["tempo_confidence"][-1]) if len(t["tempo"]) else 0.0,
        non_finite_samples=analyzer.non_finite_samples,
    )
