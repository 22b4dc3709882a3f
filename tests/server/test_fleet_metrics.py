"""Several expositions become one that a Prometheus client reads; real processes are asked in test_supervisor.py."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fastring.config import SecuritySettings, ServerSettings, Settings
from fastring.errors import ConfigError
from fastring.server import fleet_metrics
from fastring.server.fleet_metrics import FleetListener, Scrape, merged


def exposition(count: int) -> bytes:
    registry = CollectorRegistry()
    Counter("plain", "No labels", registry=registry).inc(count)
    Counter("marked", "With labels", ["kind"], registry=registry).labels('a "b} c{').inc(2 * count)
    Histogram("spread", "In buckets", buckets=(1.0, 2.0), registry=registry).observe(count)
    return generate_latest(registry)


def test_each_family_once_and_each_sample_with_its_process() -> None:
    text = merged({2: exposition(5), 1: exposition(3)}).decode()
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert text.count("# TYPE plain_total ") == 1
    values = {
        (sample.name, sample.labels.pop("process"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }
    assert values["plain_total", "1"] == 3
    assert values["plain_total", "2"] == 5
    assert values["marked_total", "2", 'a "b} c{'] == 10
    assert values["spread_bucket", "1", "2.0"] == 0
    assert values["spread_sum", "2"] == 5


def test_a_process_that_does_not_answer_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_metrics, "ANSWER_S", 0.05)
    scrape = Scrape()
    scrape.ask({1, 2, 3})
    scrape.take(1, b"a 1\n")
    scrape.give_up(2)
    scrape.take(4, b"a 4\n")  # nobody asked
    assert scrape.wait() == b'a{process="1"} 1\n'


def test_answers_come_from_another_thread() -> None:
    scrape = Scrape()
    scrape.ask({1})
    threading.Timer(0.05, scrape.take, (1, b"a 1\n")).start()
    started = time.monotonic()
    assert scrape.wait() == b'a{process="1"} 1\n'
    assert time.monotonic() - started < 1


def test_whoever_reads_it_shows_a_key() -> None:
    security = SecuritySettings(api_keys=("secret",))
    listener = FleetListener(Settings(server=ServerSettings(metrics_port=0), security=security), lambda: b"a 1\n")
    port = listener._server.server_address[1]
    try:

        def ask(path: str, **headers: str) -> tuple[int, bytes]:
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=5) as response:
                    return response.status, response.read()
            except urllib.error.HTTPError as error:
                return error.code, error.read()

        assert ask("/metrics", authorization="Bearer secret") == (200, b"a 1\n")
        assert ask("/metrics")[0] == 401
        assert ask("/metrics", authorization="Bearer wrong")[0] == 401
        assert ask("/metrics", authorization="Bearer secret", origin="http://evil.example")[0] == 403
        assert ask("/other", authorization="Bearer secret")[0] == 404
        with pytest.raises(ConfigError, match=f"metrics_port = {port}"):
            FleetListener(Settings(server=ServerSettings(metrics_port=port)), lambda: b"")
    finally:
        listener.close()
