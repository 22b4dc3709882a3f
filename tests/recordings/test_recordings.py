from __future__ import annotations

import wave

import pytest

from fastring.errors import ConfigError
from fastring.recordings import recording, recording_path, recordings

NAMES = [item.name for item in recordings()]


@pytest.mark.parametrize("name", NAMES)
def test_the_index_tells_the_truth_about_the_file(name: str) -> None:
    item = recording(name)
    with wave.open(str(item.path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.getnframes() / 16_000 == pytest.approx(item.duration_s, abs=1e-3)
    assert item.text == " ".join(word.text for word in item.words)
    ends = [0.0, *(word.end_s for word in item.words)]
    assert all(
        before <= word.start_s < word.end_s <= item.duration_s for before, word in zip(ends, item.words, strict=False)
    )


def test_there_is_speech_silence_and_noise() -> None:
    assert {"seen_0", "seen_2", "seen_8", "unseen_0", "unseen_2", "silence", "noise", "stream"} <= set(NAMES)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="seen_0"):
        recording_path("nobody")


def test_the_licence_ships_with_them() -> None:
    assert "CC BY-SA 4.0" in (recording_path("noise").parent / "LICENSE.txt").read_text(encoding="utf-8")
