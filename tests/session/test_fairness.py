"""Many sessions on one engine, in simulated time: everybody waits alike, and no longer than in proportion."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from town import ENGINES, Engine, Figure, Town, chance_spread, means_s, spread

DIGITS, TINY = ENGINES["digits-30s"], ENGINES["tiny.en-30s"]
CALL_S = 0.1  # of the model of digits, a fifth more or less


JUST_FULL = 24  # clients: digits-30s has no time left, and finals are not late yet


def town(
    clients: int, engine: Engine = DIGITS, seconds: float = 60.0, *, admit: bool = False, apart_s: float = 0.5
) -> Town:
    """They have lived, and every word was heard once."""
    return _town(clients, engine, 120.0 if (clients, engine) == (JUST_FULL, DIGITS) else seconds, admit, apart_s)


@cache
def _town(clients: int, engine: Engine, seconds: float, admit: bool, apart_s: float) -> Town:
    town = Town(clients, engine, seconds, admit=admit, apart_s=apart_s).live()
    for client in town.clients:
        assert client.failures == 0
        assert client.heard == len(client.speech.words)
    return town


def mean_s(town: Town, figure: Figure) -> float:
    return float(np.mean(means_s(town.noticed_s()[figure])))


def busy_messages(town: Town) -> list[int]:
    return [client.busy_messages for client in town.clients]


full = pytest.mark.full


@pytest.mark.parametrize("clients", [2, 8, pytest.param(16, marks=full)])
def test_while_the_engine_has_time_latency_grows_less_than_in_proportion(clients: int) -> None:
    alone, crowd = town(1), town(clients)
    for figure in ("first_partial", "word_commit", "text"):
        assert mean_s(crowd, figure) <= clients * mean_s(alone, figure)
    assert mean_s(crowd, "final") <= clients * CALL_S
    assert sum(busy_messages(crowd)) == 0


@pytest.mark.parametrize(
    ("clients", "seconds"),
    [(8, 60.0), (JUST_FULL, 120.0), *(pytest.param(n, 120.0, marks=full) for n in (12, 16, 20, 32, 40))],
)
def test_words_are_stable_as_soon_for_one_as_for_another_within_a_fifth(clients: int, seconds: float) -> None:
    crowd = town(clients, seconds=seconds)
    assert crowd.load > (0.9 if clients > 12 else 0.5)
    assert spread(means_s(crowd.noticed_s()["word_commit"])) <= 0.2


@pytest.mark.parametrize(
    ("name", "clients", "seconds"),
    [
        ("digits-30s", JUST_FULL, 120.0),
        ("tiny.en-30s", 8, 60.0),
        pytest.param("digits-30s", 16, 120.0, marks=full),
        pytest.param("tiny.en-short", 24, 120.0, marks=full),
        pytest.param("tiny.en-short", 48, 120.0, marks=full),
    ],
)
def test_clients_of_a_full_engine_lie_no_further_apart_than_if_utterances_were_dealt_to_them(
    name: str, clients: int, seconds: float
) -> None:
    crowd = town(clients, ENGINES[name], seconds)
    noticed = crowd.noticed_s()
    assert crowd.load > 0.85
    for figure in ("first_partial", "word_commit", "text", "final"):
        assert spread(means_s(noticed[figure])) <= chance_spread(noticed[figure], share=99)


def test_partials_make_way_before_finals_are_late() -> None:
    few, many = town(8).noticed_s(), town(JUST_FULL).noticed_s()
    shares = [
        len(with_partials) / len(utterances)
        for crowd in (few, many)
        for with_partials, utterances in zip(crowd["first_partial"], crowd["word_commit"], strict=True)
    ]
    assert min(shares[:8]) > 0.9
    assert max(shares[8:]) < 0.8
    assert np.mean(means_s(many["final"])) < 2 * CALL_S


def test_however_long_the_line_is_text_is_told_of_audio_that_is_no_older_than_a_hop_and_two_calls() -> None:
    crowd = town(JUST_FULL)
    texts_s = [s for mine in crowd.noticed_s()["text"] for utterance in mine for s in utterance]
    assert np.percentile(texts_s, 99) <= crowd.window.hop_seconds + 2 * CALL_S


@pytest.mark.parametrize(
    ("clients", "engine", "seconds"),
    [
        (12, TINY, 60.0),
        pytest.param(24, TINY, 60.0, marks=full),
        *(pytest.param(n, DIGITS, 120.0, marks=full) for n in (48, 64)),
    ],
)
def test_of_more_than_the_engine_can_do_everybody_is_told_and_nobody_waits_longer_than_others(
    clients: int, engine: Engine, seconds: float
) -> None:
    crowd = town(clients, engine, seconds)
    noticed = crowd.noticed_s()
    assert crowd.load > 0.95
    assert min(busy_messages(crowd)) > 0
    for figure in ("word_commit", "final"):
        assert spread(means_s(noticed[figure])) <= 0.2


def test_who_comes_to_a_full_engine_is_told_to_come_later() -> None:
    crowd = town(14, TINY, 10.0, admit=True, apart_s=2.0)
    assert crowd.refused > 0
    assert sum(busy_messages(crowd)) == 0
    assert mean_s(crowd, "final") < 2.0


def test_who_says_all_at_once_delays_nobody_else_for_long() -> None:
    waits_s = []
    for hogs in (0, 1):
        crowd = Town(8, TINY, 30.0, admit=False, hogs=hogs).live()
        assert crowd.clients[0].heard == len(crowd.clients[0].speech.words)
        waits_s.append(float(np.mean(means_s(crowd.noticed_s()["final"][1:]))))
    assert waits_s[1] < 1.5 * waits_s[0]
