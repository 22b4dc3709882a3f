"""The speech load bench: its figures are those of what was heard, and its clients talk to a real server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from serving import serving, settings_for_tests
from speech.clients import Heard, scripts, speak_together
from speech.figures import Noticed, matched, notice
from speech.report import BEGIN, END, Run, markdown, missed, put_into, rows
from speech.server import Engine
from speech_corpus import RATE, Spoken, pcm

from fastring.recordings import recording

STARTED: dict[str, object] = {"type": "speech_started", "utterance": 0, "start": 0.5}
COUNTS = {"process_cpu_seconds_total": 1.0, "process_resident_memory_bytes": 2e8}
COUNTS |= {f"fastring_asr_real_time_factor_{part}": 0.5 for part in ("sum", "count")}


def _text(kind: str, stable: str, rest: str, total_ms: float) -> dict[str, object]:
    words = [(word, True) for word in stable.split()] + [(word, False) for word in rest.split()]
    return {
        "type": kind,
        "utterance": 0,
        "text": f"{stable} {rest}".strip(),
        "stable_text": stable,
        "words": [{"word": word, "stable": is_stable} for word, is_stable in words],
        "latency_ms": {"total_ms": total_ms, "queue_ms": 10.0, "inference_ms": 40.0},
    }


def _heard(*messages: tuple[float, dict[str, object]]) -> Heard:
    edge = RATE // 50  # the corpus keeps it around each word
    spoken = Spoken(np.zeros(3 * RATE, np.int16), [("one", 8000, RATE + edge), ("two", 20_000, 2 * RATE + edge)])
    return Heard(spoken, began_s=100.0, messages=list(messages))


def test_figures_of_one_utterance() -> None:
    heard = _heard(
        (100.7, STARTED),
        (101.1, _text("partial", "", "won", 50.0)),
        (101.6, _text("partial", "one", "", 60.0)),
        (102.4, _text("final", "", "one two", 70.0)),
        (102.5, {"type": "closed"}),
    )
    noticed = notice([heard])
    assert noticed.first_partial_s == pytest.approx([0.6])
    assert noticed.word_commit_s == pytest.approx([0.6, 0.4])
    assert noticed.partial_to_final_s == pytest.approx([0.8])
    assert noticed.final_lag_s == pytest.approx([0.07])
    assert noticed.client_latency_s == pytest.approx([0.06])
    assert (noticed.words, noticed.revised_words, noticed.retracted_words) == (2, 1, 0)
    assert (noticed.wrong_words, noticed.spoken_words, noticed.unanswered) == (0, 2, 0)


def test_stable_text_that_changes_and_a_final_that_never_comes_are_seen() -> None:
    partial, final = _text("partial", "one", "two", 50.0), _text("final", "", "six", 50.0)
    noticed = notice([_heard((100.7, STARTED), (101.0, partial), (101.5, final))])
    assert noticed.retracted_words == 1
    assert noticed.wrong_words == 2
    assert noticed.unanswered == 1


def test_words_are_matched_with_the_fewest_errors() -> None:
    assert matched(list("abc"), list("axc")) == [(0, 0), (2, 2)]
    assert matched(list("abcd"), list("bcd")) == [(1, 0), (2, 1), (3, 2)]
    assert matched([], ["a"]) == []


def _noticed(*clients_ms: list[float]) -> Noticed:
    texts = ((_text("partial", "", "one", ms) for ms in each) for each in clients_ms)
    return notice([_heard((100.5, STARTED), *((101.0, text) for text in mine)) for mine in texts])


def test_fairness_is_what_chance_does_not_explain() -> None:
    rng = np.random.default_rng(1)
    alike = [list(rng.exponential(100.0, 40)) for _ in range(32)]
    assert _noticed(*alike).unfairness < 0.06
    favoured = [[0.5 * ms for ms in each] if n % 2 else each for n, each in enumerate(alike)]
    assert _noticed(*favoured).unfairness == pytest.approx(1 / 3, abs=0.06)
    assert _noticed([50.0, 60.0]).unfairness == 0.0


async def test_a_client_that_is_turned_away_is_no_client_without_an_answer() -> None:
    async with serving(settings_for_tests(max_streams=1)) as running:
        (first, second) = scripts(2, 1.0)
        noticed = notice(await speak_together(running.url, [first, second]))
    assert (noticed.refused, noticed.unanswered) == (1, 0)


def test_tables_are_put_between_the_marks_of_a_page(tmp_path: Path, root: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{BEGIN}\n\nold\n\n{END}\n\nafter\n", encoding="utf-8")
    put_into(page, ["**a**\n", "**b**\n"])
    assert page.read_text(encoding="utf-8") == f"before\n\n{BEGIN}\n\n**a**\n\n**b**\n\n{END}\n\nafter\n"
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="has no"):
        put_into(page, [])
    assert all(mark in (root / "docs/topics/speech_load.md").read_text(encoding="utf-8") for mark in (BEGIN, END))


def test_what_misses_its_goal_is_said() -> None:
    slow = notice(
        [_heard((100.7, STARTED), (107.0, _text("final", "", "one two", 5000.0)), (107.1, {"type": "closed"}))]
    )
    runs = [Run(1, slow, COUNTS, 3.0, None)]
    table = rows(Engine("digits", "digits", "auto", truth=True), runs)
    said = missed(runs, table)
    assert "fastring_word_commit_seconds, mean: 5.50 with 1, goal 0.7" in said
    assert not any("retracted" in line for line in said)
    assert "| fastring_word_commit_seconds, mean | **5.50** | 0.7 |" in markdown("digits", runs, table)


def test_all_clients_say_the_same_in_another_order() -> None:
    one, two = scripts(2, 8.0)
    assert one.text != two.text
    assert sorted(one.text) == sorted(two.text)
    assert len(one.samples) == len(two.samples)


async def test_clients_speak_in_real_time_to_a_real_server() -> None:
    spoken = []
    for name in ("seen_0", "seen_1"):
        words = [(word.text, round(word.start_s * RATE), round(word.end_s * RATE)) for word in recording(name).words]
        spoken.append(Spoken(np.concatenate([pcm(name), np.zeros(RATE // 4, np.int16)]), words))
    async with serving(settings_for_tests()) as running:
        heard = await speak_together(running.url, spoken)
    for client in heard:
        assert client.answered
        assert client.messages[-1][0] - client.began_s >= len(client.spoken.samples) / RATE
    noticed = notice(heard)
    assert noticed.unanswered == noticed.errors == noticed.retracted_words == 0
    assert len(noticed.final_lag_s) >= 2
