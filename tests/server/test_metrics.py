from __future__ import annotations

from fastring.asr.pool import TranscriberPool
from fastring.asr.scripted import ScriptedTranscriber
from fastring.events import Latency, Partial, Word
from fastring.protocols.codec import Counters
from fastring.server.metrics import Metrics, Revisions


def partial(*words: str) -> Partial:
    shown = tuple(Word(word, 0, 1, 0.5) for word in words)
    return Partial(0, " ".join(words), "", shown, 0.5, 0, 1, -20.0, 0.0, 0, Latency(0, 0, 0, 0))


def test_summary_of_latencies() -> None:
    metrics = Metrics()
    assert metrics.summary() == {
        "avg_latency_ms": None,
        "p95_latency_ms": None,
        "latency_sample_count": 0,
        "asr_failure_count": 0,
    }
    for latency_ms in range(1, 101):
        metrics.note_latency(latency_ms)
    metrics.failures.inc()
    assert metrics.summary() == {
        "avg_latency_ms": 50.5,
        "p95_latency_ms": 95,
        "latency_sample_count": 100,
        "asr_failure_count": 1,
    }


def test_exposition_names_what_is_watched() -> None:
    metrics = Metrics()
    metrics.watch(lambda: {"streams": 3}, lambda: {"voice": Counters(5, 600, 1, 2, 3)})
    text = metrics.exposition().decode()
    for line in (
        "fastring_streams 3.0",
        'fastring_messages_total{endpoint="voice"} 5.0',
        'fastring_malformed_total{endpoint="voice"} 1.0',
        'fastring_seq_gaps_total{endpoint="voice"} 2.0',
        'fastring_late_total{endpoint="voice"} 3.0',
        "fastring_first_partial_seconds_count 0.0",
        "fastring_build_info{version=",
    ):
        assert line in text


def test_the_pool_is_read_at_each_scrape() -> None:
    metrics, pool = Metrics(), TranscriberPool(ScriptedTranscriber(["one"]))
    metrics.watch_pool(pool.stats)
    workers = pool.stats().workers
    text = metrics.exposition().decode()
    pool.close(5.0)
    for line in (
        f"fastring_asr_workers {workers:.1f}",
        "fastring_asr_abandoned 0.0",
        "fastring_asr_queued 0.0",
        "fastring_asr_running 0.0",
        "fastring_asr_hung_total 0.0",
        "fastring_asr_retried_total 0.0",
        "fastring_asr_rebuilt_total 0.0",
        "fastring_asr_expired_total 0.0",
    ):
        assert line in text


def test_two_servers_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.finals.inc()
    assert b"fastring_finals_total 1.0" in one.exposition()
    assert b"fastring_finals_total 0.0" in other.exposition()


def test_revisions_count_words_that_were_taken_back() -> None:
    revisions = Revisions()
    assert revisions.note(partial("one")) == (1, 0)
    assert revisions.note(partial("one", "two")) == (1, 0)
    assert revisions.note(partial("one", "too", "three")) == (1, 1)
    assert revisions.note(partial("won")) == (0, 3)
    revisions.reset()
    assert revisions.note(partial("four")) == (1, 0)


def test_what_is_built_in_is_told() -> None:
    text = Metrics({"engine": "scripted", "model": "script", "isa": "avx2"}).exposition().decode()
    (line,) = [line for line in text.splitlines() if line.startswith("fastring_build_info{")]
    for label in ('engine="scripted"', 'model="script"', 'isa="avx2"', "version="):
        assert label in line
