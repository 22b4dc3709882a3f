from __future__ import annotations

import pytest

from fastring.cli.hearing import SAMPLE_RATE, finals_of, open_pool
from fastring.cli.terminal import progress_bar
from fastring.config import AsrSettings, Settings
from fastring.recordings import recording, recording_path

pytest.importorskip("av")
pytest.importorskip("faster_whisper")


def test_the_finals_of_a_file() -> None:
    settings = Settings(asr=AsrSettings(model="digits"))
    with open_pool(settings) as pool, progress_bar() as progress:
        finals = list(finals_of(recording_path("seen_2"), settings, pool, progress))
    assert " ".join(final.text for final in finals) == recording("seen_2").text
    assert finals[-1].end <= recording("seen_2").duration_s * SAMPLE_RATE
