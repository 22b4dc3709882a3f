from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from fastring.asr.transcriber import Job, Rebuildable
from fastring.asr.whisper import WhisperTranscriber
from fastring.config import AsrSettings
from fastring.errors import EngineFailedError, ModelUnavailableError
from fastring.recordings import recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Speech = Callable[[str], NDArray[np.float32]]

EXACT = ["seen_0", "seen_1", "seen_2", "seen_8", "unseen_0", "unseen_2"]


def job(samples: NDArray[np.float32], kind: Literal["partial", "final"] = "final", start: int = 0) -> Job:
    return Job(1, "stream", 0, kind, start, samples)


@pytest.mark.parametrize("kind", ["partial", "final"])
@pytest.mark.parametrize("name", EXACT)
def test_digits_it_was_not_trained_on_are_exact(
    whisper: WhisperTranscriber, speech: Speech, name: str, kind: Literal["partial", "final"]
) -> None:
    (heard,) = whisper.transcribe([job(speech(name), kind)])
    assert heard.text == recording(name).text
    assert heard.language == "en"


@pytest.mark.parametrize("name", EXACT)
def test_word_times_are_where_the_words_are(whisper: WhisperTranscriber, speech: Speech, name: str) -> None:
    start = 1_000_000
    (heard,) = whisper.transcribe([job(speech(name), start=start)])
    for word, truth in zip(heard.words, recording(name).words, strict=True):
        assert (word.start - start) / 16_000 == pytest.approx(truth.start_s, abs=0.3)
        assert (word.end - start) / 16_000 == pytest.approx(truth.end_s, abs=0.3)
        assert 0 < word.confidence <= 1
    spans = [edge for word in heard.words for edge in (word.start, word.end)]
    assert spans == sorted(spans)
    assert start <= spans[0]
    assert spans[-1] <= start + len(speech(name))


@pytest.mark.parametrize("kind", ["partial", "final"])
@pytest.mark.parametrize("name", ["silence", "noise"])
def test_silence_and_noise_are_no_words(
    whisper: WhisperTranscriber, speech: Speech, name: str, kind: Literal["partial", "final"]
) -> None:
    assert whisper.transcribe([job(speech(name), kind)])[0].words == ()


@pytest.mark.parametrize("n_samples", [0, 1, 159, 1599])
def test_next_to_no_audio_costs_no_inference(
    whisper: WhisperTranscriber, monkeypatch: pytest.MonkeyPatch, n_samples: int
) -> None:
    monkeypatch.setattr(whisper, "_model", None)
    assert whisper.transcribe([job(np.ones(n_samples, np.float32))])[0].words == ()


def test_one_encoder_run_per_job(whisper: WhisperTranscriber, speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    """Audio that ends in the middle of a word makes faster-whisper's own loop encode twice."""
    runs = []
    encode = whisper._model.encode
    monkeypatch.setattr(whisper._model, "encode", lambda features: runs.append(1) or encode(features))
    samples = speech("seen_8")
    for n in range(16_000, len(samples), 16_000):
        whisper.transcribe([job(samples[:n], "partial")])
    assert len(runs) == len(range(16_000, len(samples), 16_000))


def test_a_batch_is_answered_in_order(whisper: WhisperTranscriber, speech: Speech) -> None:
    names = ["seen_2", "silence", "unseen_0", "noise", "seen_1"]
    jobs = [replace(job(speech(name)), kind=kind) for name in names for kind in ("partial", "final")]
    heard = whisper.transcribe(jobs)
    assert [answer.text for answer in heard] == [recording(name).text for name in names for _ in range(2)]


def test_two_threads_at_once_are_both_right(whisper: WhisperTranscriber, speech: Speech) -> None:
    heard: dict[str, list[str]] = {"seen_2": [], "unseen_2": []}
    barrier = threading.Barrier(2)

    def hear(name: str) -> None:
        barrier.wait()
        heard[name].extend(whisper.transcribe([job(speech(name))])[0].text for _ in range(3))

    threads = [threading.Thread(target=hear, args=(name,)) for name in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {name: [recording(name).text] * 3 for name in heard}


def test_more_than_a_window_is_heard_too(whisper: WhisperTranscriber, speech: Speech) -> None:
    pause = np.zeros(26 * 16_000, np.float32)
    (heard,) = whisper.transcribe([job(np.concatenate([speech("seen_2"), pause, speech("seen_2")]))])
    assert heard.text == " ".join([recording("seen_2").text] * 2)
    assert heard.words[4].start / 16_000 == pytest.approx(26 + 2.779 + 0.496, abs=0.3)


def test_a_final_is_heard_to_its_end(
    whisper: WhisperTranscriber, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that stops early is asked again for the rest; of a partial the next partial will hear it."""
    two = np.concatenate([speech("seen_2"), speech("seen_1")])
    truth = f"{recording('seen_2').text} {recording('seen_1').text}"
    original = whisper._gated

    def stops_early(result: Any, tokenizer: Any) -> Any:
        decoded = original(result, tokenizer)
        return replace(decoded, tokens=decoded.tokens[:4])

    monkeypatch.setattr(whisper, "_gated", stops_early)
    (final,), (partial,) = whisper.transcribe([job(two)]), whisper.transcribe([job(two, "partial")])
    assert (final.text, partial.text) == (truth, recording("seen_2").text)
    assert [word.start for word in final.words] == sorted(word.start for word in final.words)


@pytest.mark.parametrize("name", EXACT)
def test_a_partial_in_a_pause_is_heard_as_a_final_is(
    whisper: WhisperTranscriber, speech: Speech, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    beams = []
    original = whisper._model.model.generate

    def generate(*args: Any, **options: Any) -> Any:
        beams.append(options["beam_size"])
        return original(*args, **options)

    class Counted:
        def __getattr__(self, attribute: str) -> Any:
            return generate if attribute == "generate" else getattr(model, attribute)

    model = whisper._model.model
    monkeypatch.setattr(whisper._model, "model", Counted())
    final, plain = job(speech(name)), job(speech(name), "partial")
    for_good, in_pause, in_passing = whisper.transcribe([final, replace(plain, in_pause=True), plain])
    assert in_pause == replace(for_good, as_final=True)
    assert not in_passing.as_final
    assert sorted(beams) == [1, whisper._settings.beam_size]


def test_what_the_library_raises_is_an_engine_failure(
    whisper: WhisperTranscriber, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    cause = RuntimeError("out of memory")

    def broken(_: object) -> None:
        raise cause

    monkeypatch.setattr(whisper._model, "encode", broken)
    with pytest.raises(EngineFailedError, match="out of memory") as caught:
        whisper.transcribe([job(speech("seen_0"))])
    assert caught.value.__cause__ is cause


class Detecting:
    """Says that the model is multilingual, and what it detects; the rest is the real model."""

    def __init__(self, model: Any, detected: list[str]) -> None:
        self._model = model
        self._detected = detected
        self.asked = 0
        self.is_multilingual = True

    def detect_language(self, encoded: Any) -> list[list[tuple[str, float]]]:
        self.asked += 1
        return [[(f"<|{code}|>", 0.9), ("<|xx|>", 0.1)] for code in self._detected[: encoded.shape[0]]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


@pytest.mark.parametrize(("declared", "heard", "asked"), [("", "fr", 1), ("de-CH", "de", 0)])
def test_an_unknown_language_is_detected_from_the_one_encoder_run(
    whisper: WhisperTranscriber,
    speech: Speech,
    monkeypatch: pytest.MonkeyPatch,
    declared: str,
    heard: str,
    asked: int,
) -> None:
    model = Detecting(whisper._model.model, ["fr"])
    english = whisper._tokenizer("en")
    monkeypatch.setattr(whisper, "_multilingual", True)
    monkeypatch.setattr(whisper, "_tokenizer", lambda language: english)
    monkeypatch.setattr(whisper._model, "model", model)
    (answer,) = whisper.transcribe([replace(job(speech("seen_2")), language=declared)])
    assert (answer.language, answer.text) == (heard, recording("seen_2").text)
    assert model.asked == asked


def test_a_batch_of_several_languages_is_taken_apart(
    whisper: WhisperTranscriber, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    english = whisper._tokenizer("en")
    monkeypatch.setattr(whisper, "_multilingual", True)
    monkeypatch.setattr(whisper, "_tokenizer", lambda language: english)
    monkeypatch.setattr(whisper._model, "model", Detecting(whisper._model.model, ["fr", "es"]))
    answers = whisper.transcribe([job(speech("seen_0")), job(speech("seen_1"))])
    assert [(answer.language, answer.text) for answer in answers] == [("fr", "six"), ("es", "four six")]


def test_it_can_be_built_anew_while_it_runs(speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    whisper = WhisperTranscriber(AsrSettings(model="digits", device="cpu", workers=1))
    assert isinstance(whisper, Rebuildable)
    hanging = whisper._model
    whisper.rebuild()
    assert whisper._model is not hanging
    assert whisper.transcribe([job(speech("seen_2"))])[0].text == recording("seen_2").text
    good = whisper._model
    monkeypatch.setattr(whisper, "_load", lambda: None)
    with pytest.raises(ModelUnavailableError):
        whisper.rebuild()
    assert whisper._model is good
    whisper.close()


def test_capabilities_say_what_it_does(whisper: WhisperTranscriber) -> None:
    can = whisper.capabilities
    assert (can.engine, can.model, can.sample_rate, can.progressive) == ("faster-whisper", "digits", 16_000, False)
    assert (can.languages, can.concurrency, can.max_batch) == (("en",), 2, 4)


@pytest.mark.parametrize(("setting", "short", "batch"), [("off", False, 1), ("on", True, 4), ("auto", True, 4)])
def test_what_is_there_is_encoded_and_a_second_more(
    speech: Speech, monkeypatch: pytest.MonkeyPatch, setting: Literal["on", "off", "auto"], short: bool, batch: int
) -> None:
    whisper = WhisperTranscriber(AsrSettings(model="digits", device="cpu", workers=1, short_encode=setting))
    assert (whisper.short_encode, whisper.capabilities.max_batch) == (short, batch)
    lengths: list[int] = []
    encode = whisper._model.encode
    monkeypatch.setattr(
        whisper._model, "encode", lambda features: lengths.append(features.shape[2]) or encode(features)
    )
    two = [speech("seen_2"), speech("unseen_2")]  # 2.8 s and 3.3 s
    alone = [whisper.transcribe([job(samples)])[0].text for samples in two]
    together = [hypothesis.text for hypothesis in whisper.transcribe([job(samples) for samples in two])]
    assert alone == together == [recording("seen_2").text, recording("unseen_2").text]
    seconds = [len(samples) / 16_000 for samples in two]
    if not short:
        assert lengths == [3000] * 3
        return
    for length, audio_s in zip(lengths, [*seconds, max(seconds)], strict=True):
        assert audio_s + 1 <= length / 100 <= audio_s + 1.3
    whisper.close()


def test_thirty_seconds_are_the_longest_encode(
    whisper: WhisperTranscriber, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    encode = whisper._model.encode
    monkeypatch.setattr(
        whisper._model, "encode", lambda features: lengths.append(features.shape[2]) or encode(features)
    )
    whisper.transcribe([job(np.resize(speech("seen_2"), 30 * 16_000), "partial")])
    assert lengths == [3000]
