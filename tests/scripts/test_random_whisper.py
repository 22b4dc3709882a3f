from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("faster_whisper")

from fastring.asr.transcriber import Job
from fastring.asr.whisper import WhisperTranscriber
from fastring.config import AsrSettings

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import random_whisper


def test_a_model_of_random_weights_says_its_ten_words_whatever_it_hears(tmp_path: Path) -> None:
    random_whisper.make("micro.en", tmp_path)
    whisper = WhisperTranscriber(AsrSettings(model=str(tmp_path), device="cpu", workers=1, threads=1))
    rng = np.random.default_rng(0)
    for seconds in (1, 5):
        noise = rng.standard_normal(16_000 * seconds).astype(np.float32) * 0.1
        (heard,) = whisper.transcribe([Job(0, "", 0, "final", 0, noise)])
        assert heard.text.split() == list(random_whisper.WORDS)
        assert min(word.confidence for word in heard.words) > 0.2
    whisper.close()
