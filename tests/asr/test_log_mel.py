from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from fastring.asr.log_mel import LogMel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fastring.asr.whisper import WhisperTranscriber


@pytest.mark.parametrize("n_samples", [1_600, 12_345, 16_000, 83_215])
@pytest.mark.parametrize("n_mels", [80, 128])
def test_it_is_what_faster_whisper_computes(
    whisper: WhisperTranscriber, speech: Callable[[str], NDArray[np.float32]], n_samples: int, n_mels: int
) -> None:
    extractor = type(whisper._model.feature_extractor)(feature_size=n_mels)
    samples = np.concatenate([speech("seen_8"), speech("noise")])[:n_samples]
    samples -= samples.mean()
    ours = LogMel(extractor.mel_filters, n_fft=extractor.n_fft, hop_length=extractor.hop_length)(samples)
    theirs = extractor(samples)[:, :-1]
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape == (n_mels, n_samples // 160)
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_an_offset_makes_no_difference(
    whisper: WhisperTranscriber, speech: Callable[[str], NDArray[np.float32]]
) -> None:
    quiet = speech("seen_8") * np.float32(0.01)
    log_mel = whisper._log_mel
    np.testing.assert_allclose(log_mel(quiet + np.float32(0.06)), log_mel(quiet), atol=0.02)


def test_silence_is_flat() -> None:
    features = LogMel(np.eye(4, 9, dtype=np.float32), n_fft=16, hop_length=4)(np.zeros(100, np.float32))
    assert features.shape == (4, 25)
    assert np.all(features == features[0, 0])
