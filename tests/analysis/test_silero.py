from __future__ import annotations

import importlib.util
import wave

import numpy as np
import pytest

from fastring.analysis import silero
from fastring.analysis.silero import FRAME_SAMPLES, SileroStream, silero_available
from fastring.errors import AudioFormatError, ModelUnavailableError
from fastring.recordings import recording

needs_model = pytest.mark.skipif(not silero_available(), reason="faster-whisper is not installed")


def frames_of(name: str) -> np.ndarray:
    with wave.open(str(recording(name).path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    return pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)


@needs_model
def test_it_hears_every_spoken_word_and_no_silence() -> None:
    scores = SileroStream().score(frames_of("seen_8"))
    for word in recording("seen_8").words:
        first, last = int(word.start_s * 16_000 / 512), int(word.end_s * 16_000 / 512)
        assert scores[first : last + 1].max() > 0.8, word
    assert SileroStream().score(np.zeros((100, FRAME_SAMPLES), np.float32)).max() < 0.1


@needs_model
@pytest.mark.parametrize("step", [1, 2, 3, 7, 32])
def test_frames_per_call_do_not_change_a_bit(step: int) -> None:
    frames = frames_of("seen_2")
    stream = SileroStream()
    parts = [stream.score(frames[i : i + step]) for i in range(0, len(frames), step)]
    np.testing.assert_array_equal(np.concatenate(parts), SileroStream().score(frames))


@needs_model
def test_streams_share_a_session_but_no_state() -> None:
    frames = frames_of("seen_2")
    one, other = SileroStream(), SileroStream()
    expected = SileroStream().score(frames)
    scores = []
    for frame in frames:
        scores.append(one.score(frame))
        other.score(np.zeros(FRAME_SAMPLES, np.float32))
    np.testing.assert_array_equal(np.concatenate(scores), expected)


@needs_model
def test_skipped_frames_leave_their_tail_as_context_and_the_state_as_it_was() -> None:
    frames = frames_of("seen_2")
    skipping, jumping = SileroStream(), SileroStream()
    skipping.score(frames[:20])
    skipping.skip(frames[20:30])
    spliced = frames.copy()
    spliced[19, -64:] = frames[29, -64:]  # a stream in which the skipped frames never were
    jumping.score(frames[:20])
    jumping.skip(spliced[19])
    np.testing.assert_array_equal(skipping.score(frames[30:]), jumping.score(frames[30:]))
    fresh = SileroStream()
    fresh.skip(frames[29])
    assert not np.array_equal(fresh.score(frames[30:31]), SileroStream().score(frames[30:31]))


@needs_model
@pytest.mark.parametrize("bad", [np.zeros(511, np.float32), np.zeros((2, 512)), np.zeros((1, 2, 512), np.float32)])
def test_wrong_frames_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(AudioFormatError, match="512"):
        SileroStream().score(bad)


def test_without_the_package_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not silero.silero_available()
    with pytest.raises(ModelUnavailableError, match="pip install"):
        SileroStream()


@needs_model
def test_a_broken_model_is_a_typed_error(tmp_path: object) -> None:
    path = f"{tmp_path}/broken.onnx"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"not a model")
    with pytest.raises(ModelUnavailableError, match=r"broken\.onnx"):
        SileroStream(path)
