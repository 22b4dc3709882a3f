from __future__ import annotations

import sys

import pytest
from serving import BASE, TWO_UTTERANCES, chunks, listen, serving

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fastring.errors import ConfigError
from fastring.server.tracing import Tracing, open_tracing


async def test_a_connection_its_utterances_and_its_jobs_are_spans_of_one_trace() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with serving() as server:
        server.services.tracing = Tracing(provider)
        async with server.connect(f"{BASE}voice/a") as ws:
            for chunk in chunks(TWO_UTTERANCES):
                await ws.send_bytes(chunk)
            await ws.send_str('{"type":"close"}')
            await listen(ws)
        await server.empty()
    spans = exporter.get_finished_spans()
    (connection,) = [span for span in spans if span.name == "connection voice"]
    assert connection.attributes is not None
    assert connection.attributes["fastring.stream_id"] == "a"
    inner = [span for span in spans if span is not connection]
    assert [span.name for span in inner].count("utterance") == 2
    assert [span.name for span in inner].count("job final") == 2
    for span in inner:
        assert span.parent is not None
        assert span.parent.span_id == connection.context.span_id
        assert connection.start_time <= span.end_time <= connection.end_time


async def test_there_are_none_unless_they_are_wanted() -> None:
    async with serving() as server:
        assert server.services.tracing is None


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigError, match=r"fastring\[otel\]"):
        open_tracing("http://127.0.0.1:4318/v1/traces")
