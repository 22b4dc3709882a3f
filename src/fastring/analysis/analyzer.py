"""The native analyzer of one stream, with its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from fastring import _native
from fastring._native import Features

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

__all__ = ["Analyzer", "Features", "Samples", "analyze_many"]

Samples: TypeAlias = "npt.NDArray[np.float32] | npt.NDArray[np.int16]"


class Analyzer(_native.Analyzer):
    """Measures one stream of audio, chunk by chunk, causally.

    `push(chunk)` takes a chunk of any length and returns `Features`. Frames are the analyzer's own: onsets, pitch,
    tempo and spectra depend on the samples alone and are identical however the stream is cut. Level fields (`rms`,
    `energy`, `peak`, `dc_offset`, `zero_crossing_rate`) describe the chunk that was pushed. One thread at a time: a
    second one gets `BusyError`. The GIL is released for chunks of 256 samples and more (below, it would cost more than
    it brings).

    What is measured, and by whose method (docs/topics in the repository has the formulas, latencies and weaknesses):

    - onsets: rise in 24 bands per octave, relative to the loudest spectrum of the last seconds, against the
      maximum-filtered spectrum 2 hops ago (SuperFlux: Böck & Widmer, DAFx 2013), picked causally against the mean of
      the last 100 ms (Böck, Krebs & Schedl, ISMIR 2012).
    - pitch: normalised autocorrelation of the compressed spectrum and the cheapest path through its candidates
      (Boersma, IFA Proceedings 17, 1993), with a fixed lag of 4 frames instead of the whole file, refined by a tapered
      square difference (McLeod & Wyvill, ICMC 2005): the newest pitch is `pitch_latency_samples` old.
    - tempo: autocorrelation of the novelty of the last 8 s, a comb over its multiples (Davies & Plumbley, IEEE TASLP
      2007) with a prior on tempo (Ellis, JNMR 2007), and the octave decided apart (Percival & Tzanetakis, IEEE TASLP
      2014). First after 2 s, then every 0.5 s; `None` for silence, noise, glides and anything without a regular beat.
      Below 65 and above 180 BPM the octave follows the prior.
    - spectral centroid, rolloff (of the magnitude, as librosa has it), flatness (of the power, librosa) and flux (sum
      of the rises in magnitude), of Hann frames of the full band every 20 ms.
    - zero crossings: changes of the sign bit with zero as positive, the one at the seam of two chunks included.

    NaN and infinity are counted and taken as 0; samples beyond ±1e6 are clipped to that; every result is finite or
    None.

    Args:
        sample_rate: of the stream, 8000..192000 Hz.
        channels: 1..32; more than one is interleaved or of shape (n, channels), and mixed down for everything but
            the levels.
        hop_ms: time between two onset frames, 2..50 ms. Pitch frames come every hop, spectra every second.
        spectrum_window_ms: length of a spectral frame, 5..85 ms.
        rolloff_fraction: share of the magnitude below the rolloff, 0.01..0.999.
        onset_threshold: how far the mean rise per band (octaves) must stand above its local mean; higher finds fewer.
        onset_min_interval_ms: onsets closer than this to the last one are the same one.
        pitch_min_hz: lowest pitch, 20..1000 Hz.
        pitch_max_hz: highest pitch, up to 4000 Hz.
        pitch_voicing: periodicity (0..1) from which a frame tends to be voiced; higher calls fewer frames voiced.
        tempo_min_bpm: slowest tempo reported.
        tempo_max_bpm: fastest tempo reported.
        tempo_history_s: audio a tempo rests on, 2..30 s.
        tuning: any other setting of the core by name, see `Analyzer.defaults()`.

    Raises:
        ConfigError: a setting is out of range, or not known; the message names it, its value and the limit.
    """

    def __init__(
        self,
        sample_rate: float,
        channels: int = 1,
        *,
        hop_ms: float = 10.0,
        spectrum_window_ms: float = 21.34,
        rolloff_fraction: float = 0.85,
        onset_threshold: float = 0.0232,
        onset_min_interval_ms: float = 40.0,
        pitch_min_hz: float = 50.0,
        pitch_max_hz: float = 2000.0,
        pitch_voicing: float = 0.45,
        tempo_min_bpm: float = 40.0,
        tempo_max_bpm: float = 240.0,
        tempo_history_s: float = 8.0,
        tuning: Mapping[str, float] | None = None,
    ) -> None:
        settings: dict[str, float] = {
            "hop_ms": hop_ms,
            "spectrum_window_ms": spectrum_window_ms,
            "rolloff_fraction": rolloff_fraction,
            "onset_threshold": onset_threshold,
            "onset_min_interval_ms": onset_min_interval_ms,
            "pitch_min_hz": pitch_min_hz,
            "pitch_max_hz": pitch_max_hz,
            "pitch_voicing": pitch_voicing,
            "tempo_min_bpm": tempo_min_bpm,
            "tempo_max_bpm": tempo_max_bpm,
            "tempo_history_s": tempo_history_s,
            **(tuning or {}),
        }
        super().__init__(sample_rate, channels, settings)

    def __repr__(self) -> str:
        return f"<Analyzer {self.channels} x {self.sample_rate:g} Hz, {self.samples_pushed} samples pushed>"


def analyze_many(analyzers: Sequence[Analyzer], chunks: Sequence[Samples]) -> list[Features]:
    """Push one chunk into each of many streams in a single call.

    All chunks are checked before any stream advances; the GIL is released once for all of them.

    Args:
        analyzers: one per stream, each at most once.
        chunks: as many arrays, int16 or float32, each for the analyzer at its place.

    Returns:
        One `Features` per stream, in order.

    Raises:
        AudioFormatError: a chunk has the wrong dtype or shape; no stream has advanced.
        ConfigError: the two sequences differ in length, or an analyzer is there twice; no stream has advanced.
        BusyError: another thread is in one of the analyzers; those before it have advanced.
    """
    return _native.push_many(list(analyzers), list(chunks))
