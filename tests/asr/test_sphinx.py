"""On read speech of the public domain; see austen/LICENSE.txt."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fastring.asr.agreement import normalise
from fastring.asr.sphinx import SphinxTranscriber
from fastring.asr.transcriber import Hypothesis, Job
from fastring.audio.files import stream_audio
from fastring.config import AsrSettings
from fastring.errors import ConfigError, QueueFullError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from numpy.typing import NDArray

AUSTEN = Path(__file__).parent / "austen"
NAMES = ("0880", "0920", "0930")
HOP = 8_000
START = 50_000


def read(name: str) -> tuple[NDArray[np.float32], str]:
    chunks = stream_audio(AUSTEN / f"{name}.flac", sample_rate=16_000)
    samples = np.concatenate(list(chunks)).astype(np.float32) / 32768
    return samples, (AUSTEN / f"{name}.txt").read_text().strip()


@pytest.fixture(scope="module")
def engine() -> Iterator[SphinxTranscriber]:
    running = SphinxTranscriber(AsrSettings(engine="pocketsphinx", decoders=2))
    yield running
    running.close()


@pytest.fixture(autouse=True)
def _everybody_gone(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "engine" in request.fixturenames:
        for stream in ("s", "a", "b"):
            request.getfixturevalue("engine").forget(stream)


def job(samples: NDArray[np.float32], kind: Literal["partial", "final"], stream: str = "s", utterance: int = 0) -> Job:
    return Job(0, stream, utterance, kind, START, samples)


def converse(engine: SphinxTranscriber, samples: NDArray[np.float32], utterance: int = 0) -> list[Hypothesis]:
    ends = range(HOP, len(samples), HOP)
    partials = [engine.transcribe([job(samples[:end], "partial", utterance=utterance)])[0] for end in ends]
    return [*partials, engine.transcribe([job(samples, "final", utterance=utterance)])[0]]


def word_errors(heard: str, said: str) -> int:
    """Substitutions, deletions and insertions."""
    row = list(range(len(heard.split()) + 1))
    for i, word in enumerate(said.split(), start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard.split(), start=1):
            diagonal, row[j] = row[j], min(diagonal + (normalise(word) != normalise(other)), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def test_word_error_rate_on_read_speech(engine: SphinxTranscriber) -> None:
    errors = words = 0
    for utterance, name in enumerate(NAMES):
        samples, said = read(name)
        heard = converse(engine, samples, utterance)
        errors += word_errors(heard[-1].text, said)
        words += len(said.split())
        assert sum(len(each.words) > 0 for each in heard[:-1]) >= 3  # while it is spoken
    print(f"\npocketsphinx: {errors} errors in {words} words, WER {100 * errors / words:.0f} %")  # noqa: T201
    assert errors / words <= 0.35


def test_words_have_times_and_confidences(engine: SphinxTranscriber) -> None:
    samples, _ = read("0930")
    for heard in converse(engine, samples):
        edges = [edge for word in heard.words for edge in (word.start, word.end)]
        assert edges == sorted(edges)
        assert all(START <= edge <= START + len(samples) for edge in edges)
        assert all(0 <= word.confidence <= 1 for word in heard.words)
        assert not any(set(word.text) & set("<>[]()") for word in heard.words)
    made = [word for word in heard.words if word.text == "made"]
    assert len(made) == 1
    assert made[0].start == pytest.approx(START + 21_300, abs=1_600)  # where one hears it
    assert made[0].end == pytest.approx(START + 26_900, abs=1_600)


def test_silence_has_no_words(engine: SphinxTranscriber) -> None:
    assert converse(engine, np.zeros(32_000, np.float32))[-1].words == ()
    assert engine.transcribe([job(np.zeros(0, np.float32), "final")])[0].words == ()


def test_without_new_audio_there_is_no_news(engine: SphinxTranscriber) -> None:
    samples, _ = read("0880")
    first, again = (engine.transcribe([job(samples[:16_000], "partial")])[0] for _ in range(2))
    assert first.is_new
    assert not again.is_new
    assert again.words == first.words


def test_streams_do_not_mix_and_decoders_are_bounded(engine: SphinxTranscriber) -> None:
    (one, _), (other, _) = read("0880"), read("0930")
    for end in range(HOP, 40_000, HOP):
        engine.transcribe([job(one[:end], "partial", "a"), job(other[:end], "partial", "b")])
    with pytest.raises(QueueFullError, match=r"all 2 decoders are in use; asr\.decoders"):
        engine.transcribe([job(one, "final", "c")])
    first, second = engine.transcribe([job(one, "final", "a"), job(other, "final", "b")])
    assert "young man" in first.text
    assert "made" in second.text
    assert engine.transcribe([job(one[:HOP], "partial", "c")])
    engine.forget("c")
    assert engine.decoders == 2


def test_a_forgotten_stream_frees_its_decoder(engine: SphinxTranscriber) -> None:
    samples, _ = read("0880")
    for stream in ("a", "b"):
        engine.transcribe([job(samples[:HOP], "partial", stream)])
    engine.forget("a")
    assert engine.transcribe([job(samples, "final", "s")])[0].text.startswith("he was not")


def test_a_segment_that_begins_anew_is_heard_from_its_start(engine: SphinxTranscriber) -> None:
    samples, _ = read("0880")
    engine.transcribe([job(read("0930")[0][:24_000], "partial")])
    assert engine.transcribe([job(samples, "final", utterance=1)])[0].text.startswith("he was not")


def test_it_knows_english_alone() -> None:
    with pytest.raises(ConfigError, match="English"):
        SphinxTranscriber(AsrSettings(engine="pocketsphinx", language="de"))


def test_the_model_is_in_the_wheel(engine: SphinxTranscriber) -> None:
    able = engine.capabilities
    assert (able.engine, able.model, able.languages, able.progressive) == ("pocketsphinx", "en-us", ("en",), True)


def test_a_decoder_that_dies_is_replaced_and_hears_it_all_again(engine: SphinxTranscriber) -> None:
    samples, _ = read("0880")
    engine.transcribe([job(samples[:24_000], "partial")])
    for decoder in engine._decoders:
        if decoder.process is not None:
            decoder.process.kill()
    assert engine.transcribe([job(samples, "final")])[0].text.startswith("he was not")


def test_what_hangs_is_replaced(engine: SphinxTranscriber) -> None:
    samples, _ = read("0880")
    engine.transcribe([job(samples[:24_000], "partial")])
    (decoder,) = [each for each in engine._decoders if each.owner == "s"]
    assert decoder.process is not None
    process = decoder.process._process
    process.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(engine.transcribe, [job(samples, "final")])
        while not decoder.running:
            time.sleep(0.001)
        engine.rebuild()
        assert answer.result(30)[0].text.startswith("he was not")
    assert process.poll() is not None


def test_this_process_has_little_to_do(engine: SphinxTranscriber) -> None:
    """The decoder would hold the GIL for as long as it works."""
    samples, _ = read("0880")
    begun = time.process_time()
    converse(engine, samples)
    assert time.process_time() - begun < 0.15


def test_close_leaves_no_process() -> None:
    engine = SphinxTranscriber(AsrSettings(engine="pocketsphinx"))
    (decoder,) = engine._decoders
    assert decoder.process is not None
    engine.close()
    assert decoder.process._process.poll() == 0
