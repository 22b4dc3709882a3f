"""From what clients heard to figures; their names are those of the server's metrics."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from speech_corpus import RATE, word_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speech.clients import Heard

_EDGE_SAMPLES = round(0.02 * RATE)  # the corpus keeps this much around a word
Said = list[tuple[float, dict[str, Any]]]


@dataclass
class Noticed:
    """What users notice, over all clients of a run. Seconds, one entry an event."""

    first_partial_s: list[float] = field(default_factory=list)  # onset of speech to its first partial
    word_commit_s: list[float] = field(default_factory=list)  # true end of a word to the word stable
    final_lag_s: list[float] = field(default_factory=list)  # end of the utterance decided to its final
    partial_to_final_s: list[float] = field(default_factory=list)  # last partial to the final
    latency_s: list[float] = field(default_factory=list)  # any text: its audio received to the text sent
    queue_s: list[float] = field(default_factory=list)
    inference_s: list[float] = field(default_factory=list)
    words: int = 0
    revised_words: int = 0
    retracted_words: int = 0
    server_busy: int = 0
    errors: int = 0
    wrong_words: int = 0
    spoken_words: int = 0
    client_latency_s: list[float] = field(default_factory=list)  # mean of each client
    client_error_s: list[float] = field(default_factory=list)  # and how uncertain that is: its standard error
    refused: int = 0
    unanswered: int = 0

    @property
    def unfairness(self) -> float:
        """How far the clients' mean latencies lie apart, beyond what chance makes of so few texts.

        Their standard deviation, without the part that the spread within each client explains (the between-group
        variance component of a one-way analysis of variance), as a share of the mean; 0 where nobody is favoured. The
        ratio of the worst to the best would grow with the number of clients however fair the server is.
        """
        if not self.client_latency_s:
            return float("nan")
        if len(self.client_latency_s) == 1:
            return 0.0
        by_chance = float(np.mean(np.square(self.client_error_s)))
        between = max(0.0, float(np.var(self.client_latency_s, ddof=1)) - by_chance)
        return between**0.5 / float(np.mean(self.client_latency_s))


def notice(clients: Sequence[Heard]) -> Noticed:
    """All figures of a run."""
    noticed = Noticed()
    for heard in clients:
        before = len(noticed.latency_s)
        finals = [_utterance(noticed, heard, messages) for messages in _utterances(heard.messages)]
        if len(noticed.latency_s) > before:
            mine = noticed.latency_s[before:]
            noticed.client_latency_s.append(float(np.mean(mine)))
            noticed.client_error_s.append(float(np.std(mine, ddof=1)) / len(mine) ** 0.5 if len(mine) > 1 else 0.0)
        _against_truth(noticed, heard, [word for words in finals for word in words])
        kinds = [message["type"] for _, message in heard.messages]
        noticed.errors += kinds.count("error")
        noticed.server_busy += sum(m.get("state") == "server_busy" for _, m in heard.messages if m["type"] == "status")
        noticed.refused += bool(heard.refused)
        noticed.unanswered += not (heard.answered or heard.refused)
    return noticed


def _utterances(messages: Said) -> list[Said]:
    found: dict[int, Said] = defaultdict(list)
    for at_s, message in messages:
        if message["type"] in ("speech_started", "partial", "final"):
            found[message["utterance"]].append((at_s, message))
    return list(found.values())


def _utterance(noticed: Noticed, heard: Heard, messages: Said) -> list[tuple[str, float]]:
    """Count one utterance; return the words of its final, each with the time from which it was there for good."""
    (_, started), *texts = messages
    for _, message in texts:
        _stages(noticed, message["latency_ms"])
    _changes(noticed, [message for _, message in texts])
    partials_s = [at_s for at_s, message in texts if message["type"] == "partial"]
    if partials_s:
        noticed.first_partial_s.append(partials_s[0] - heard.began_s - started["start"])
    if not texts or texts[-1][1]["type"] != "final":
        return []
    final_s, final = texts[-1]
    noticed.final_lag_s.append(final["latency_ms"]["total_ms"] / 1000)
    if partials_s:
        noticed.partial_to_final_s.append(final_s - partials_s[-1])
    stable_s: list[float] = []
    for at_s, message in texts:
        words = [word for word in message["words"] if word["stable"] or message is final]
        stable_s += [at_s] * (len(words) - len(stable_s))
    return [(word["word"], at_s) for word, at_s in zip(final["words"], stable_s, strict=False)]


def _changes(noticed: Noticed, texts: list[dict[str, Any]]) -> None:
    """Count the words that are shown, those that a later text changes, and breaches of the promise of stable text."""
    shown: list[str] = []
    stable = ""
    for message in texts:
        words = [word["word"] for word in message["words"]]
        changes = (n for n, (old, new) in enumerate(zip(shown, words, strict=False)) if old != new)
        kept = next(changes, min(len(shown), len(words)))
        noticed.revised_words += len(shown) - kept
        noticed.words += max(0, len(words) - len(shown))
        noticed.retracted_words += not message["text"].startswith(stable)
        shown, stable = words, message.get("stable_text", "")


def _stages(noticed: Noticed, latency_ms: dict[str, float]) -> None:
    if latency_ms["inference_ms"]:  # a final that was heard in the pause before it took none
        noticed.latency_s.append(latency_ms["total_ms"] / 1000)
        noticed.queue_s.append(latency_ms["queue_ms"] / 1000)
        noticed.inference_s.append(latency_ms["inference_ms"] / 1000)


def _against_truth(noticed: Noticed, heard: Heard, words: list[tuple[str, float]]) -> None:
    truth = heard.spoken.words
    texts = [text.strip(" .,").lower() for text, _ in words]
    noticed.spoken_words += len(truth)
    noticed.wrong_words += word_errors([text for text, _, _ in truth], texts)
    for said, got in matched([text for text, _, _ in truth], texts):
        end_s = heard.began_s + (truth[said][2] - _EDGE_SAMPLES) / RATE
        noticed.word_commit_s.append(words[got][1] - end_s)


def matched(truth: list[str], heard: list[str]) -> list[tuple[int, int]]:
    """Pairs of equal words, (index in `truth`, index in `heard`), of an alignment with the fewest errors."""
    cost = np.zeros((len(truth) + 1, len(heard) + 1), np.int32)
    cost[:, 0], cost[0] = np.arange(len(truth) + 1), np.arange(len(heard) + 1)
    for i, a in enumerate(truth, 1):
        for j, b in enumerate(heard, 1):
            cost[i, j] = min(cost[i - 1, j - 1] + (a != b), cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    pairs = []
    i, j = len(truth), len(heard)
    while i and j:
        if cost[i, j] == cost[i - 1, j - 1] + (truth[i - 1] != heard[j - 1]):
            if truth[i - 1] == heard[j - 1]:
                pairs.append((i - 1, j - 1))
            i, j = i - 1, j - 1
        elif cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]
