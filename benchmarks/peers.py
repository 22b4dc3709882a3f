"""The full analysis of one chunk in the libraries people use today, as contestants beside ours.

Each does what its users would write: level, zero crossings, centroid, rolloff, onset, pitch and tempo of 1024 samples
at 44.1 kHz, chunk by chunk. Essentia has no beat tracker for chunks, which flatters it. librosa estimates its tempo
over the last four seconds at every chunk, which is what ours gives; it is shown without as well. These libraries are
extras of the benchmark environment, never dependencies of the product.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from interleave import Contestant
from numpy.typing import NDArray

from fastring import Analyzer

CHUNK = 1024
RATE = 44_100
TONE_HZ = 440.0
Samples = NDArray[np.float32]


def tone_with_clicks(seconds: float = 4.0) -> Samples:
    """A 440 Hz tone in a little noise with a click every half second: something for every detector."""
    n = int(seconds * RATE)
    samples = 0.3 * np.sin(2 * np.pi * TONE_HZ * np.arange(n) / RATE)
    samples += 0.003 * np.random.default_rng(1).normal(size=n)
    for start in range(RATE // 2, n - 200, RATE // 2):
        samples[start : start + 200] += 0.6 * np.hanning(200)
    return samples.astype(np.float32)


def ours() -> Callable[[Samples], float | None]:
    """The analyzer with its default settings, all features."""
    analyzer = Analyzer(RATE)
    return lambda chunk: analyzer.push(chunk).pitch


def aubio() -> Callable[[Samples], float | None]:
    """The objects of aubio for the same job; they cannot share a transform."""
    import aubio as lib

    onset = lib.onset("default", 2 * CHUNK, CHUNK, RATE)
    tempo = lib.tempo("default", 2 * CHUNK, CHUNK, RATE)
    pitch = lib.pitch("yinfft", 2 * CHUNK, CHUNK, RATE)
    vocoder = lib.pvoc(2 * CHUNK, CHUNK)
    centroid, rolloff = lib.specdesc("centroid", 2 * CHUNK), lib.specdesc("rolloff", 2 * CHUNK)

    def analyze(chunk: Samples) -> float:
        lib.db_spl(chunk)
        lib.zero_crossing_rate(chunk)
        spectrum = vocoder(chunk)
        centroid(spectrum)
        rolloff(spectrum)
        onset(chunk)
        tempo(chunk)
        return float(pitch(chunk)[0])

    return analyze


def essentia() -> Callable[[Samples], float | None]:
    """Essentia's standard algorithms over a sliding frame; no tempo."""
    import essentia.standard as lib

    window, transform, polar = lib.Windowing(type="hann"), lib.FFT(size=2 * CHUNK), lib.CartesianToPolar()
    rms, crossings = lib.RMS(), lib.ZeroCrossingRate()
    centroid, rolloff, flux = lib.Centroid(range=RATE / 2), lib.RollOff(), lib.Flux()
    onset, pitch = lib.OnsetDetection(method="hfc"), lib.PitchYinFFT(frameSize=2 * CHUNK)
    frame = np.zeros(2 * CHUNK, np.float32)

    def analyze(chunk: Samples) -> float:
        frame[:CHUNK] = frame[CHUNK:]
        frame[CHUNK:] = chunk
        magnitude, phase = polar(transform(window(frame)))
        rms(chunk)
        crossings(chunk)
        centroid(magnitude)
        rolloff(magnitude)
        flux(magnitude)
        onset(magnitude, phase)
        return float(pitch(magnitude)[0])

    return analyze


def librosa(*, tempo: bool = True) -> Callable[[Samples], float | None]:
    """Features of librosa over a sliding frame; tempo over the last four seconds."""
    import librosa as lib

    frame = np.zeros(2 * CHUNK, np.float32)
    history = np.zeros(4 * RATE, np.float32)

    def analyze(chunk: Samples) -> float:
        nonlocal frame, history
        frame = np.concatenate([frame[CHUNK:], chunk])
        history = np.concatenate([history[CHUNK:], chunk])
        magnitude = np.abs(lib.stft(frame, n_fft=2 * CHUNK, hop_length=CHUNK, center=False))
        lib.feature.rms(S=magnitude, frame_length=2 * CHUNK)
        lib.feature.zero_crossing_rate(chunk, frame_length=CHUNK, hop_length=CHUNK)
        lib.feature.spectral_centroid(S=magnitude, sr=RATE)
        lib.feature.spectral_rolloff(S=magnitude, sr=RATE)
        lib.onset.onset_strength(y=frame, sr=RATE, hop_length=CHUNK)
        if tempo:
            lib.feature.tempo(y=history, sr=RATE)
        return float(lib.yin(frame, fmin=50, fmax=2000, sr=RATE, frame_length=2 * CHUNK, center=False)[0])

    return analyze


PEERS: dict[str, Callable[[], Callable[[Samples], float | None]]] = {
    "aubio": aubio,
    "essentia": essentia,
    "librosa": librosa,
    "librosa without tempo": partial(librosa, tempo=False),
}


def full_analysis() -> Iterator[Contestant]:
    """Ours and every peer that is installed, warmed up on four seconds, each checked to hear the tone."""
    audio = tone_with_clicks()
    chunks = [audio[i : i + CHUNK] for i in range(0, len(audio) - CHUNK, CHUNK)]
    for name, make in {"fastring": ours, **PEERS}.items():
        if name in PEERS and importlib.util.find_spec(name.partition(" ")[0]) is None:
            continue
        analyze = make()
        heard: Any = [analyze(chunk) for chunk in chunks]
        median = float(np.median([hz for hz in heard if hz]))
        if abs(median - TONE_HZ) > 0.02 * TONE_HZ:
            raise AssertionError(f"{name} hears {median:.1f} Hz in a tone of {TONE_HZ} Hz")
        yield Contestant(
            name, "analyze(next(chunks))", "analyze(next(chunks))", {"analyze": analyze, "chunks": cycle(chunks)}
        )
