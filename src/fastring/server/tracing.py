"""OpenTelemetry traces, if they are wanted: a span for each connection, and in it one for each utterance and job."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fastring._version import __version__
from fastring.errors import ConfigError
from fastring.events import Final, SpeechEnded, SpeechStarted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastring.asr.transcriber import Outcome
    from fastring.events import Event

__all__ = ["Tracing", "VoiceTrace", "open_tracing"]


def open_tracing(endpoint: str) -> Tracing:
    """Traces that go to an OTLP collector over HTTP, in batches from a thread of their own.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError(f'server.otel_endpoint is set, and {error}: pip install "fastring[otel]"') from error
    provider = TracerProvider(resource=Resource.create({"service.name": "fastring", "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return Tracing(provider)


class Tracing:
    """Opens spans.

    Args:
        provider: an OpenTelemetry `TracerProvider`; closed with this.
    """

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("fastring", __version__)

    @contextmanager
    def connection(self, name: str, stream_id: str, owner: str) -> Iterator[None]:
        """While a connection is there; what begins meanwhile belongs to it."""
        attributes = {"fastring.stream_id": stream_id, "fastring.owner": owner}
        with self._tracer.start_as_current_span(f"connection {name}", attributes=attributes):
            yield

    def voice(self) -> VoiceTrace:
        """For a voice session that begins now."""
        return VoiceTrace(self._tracer)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class VoiceTrace:
    """The spans of one voice session, all in that of the connection that opened it."""

    def __init__(self, tracer: Any) -> None:
        from opentelemetry import context

        self._tracer = tracer
        self._parent = context.get_current()
        self._utterances: dict[int, Any] = {}

    def hear(self, event: Event) -> None:
        """An event of the session."""
        if isinstance(event, SpeechStarted):
            attributes = {"fastring.utterance": event.utterance}
            span = self._tracer.start_span("utterance", context=self._parent, attributes=attributes)
            self._utterances[event.utterance] = span
        elif isinstance(event, Final) and event.utterance in self._utterances:
            self._utterances[event.utterance].set_attribute("fastring.latency_ms", event.latency.total_ms)
        elif isinstance(event, SpeechEnded) and event.utterance in self._utterances:
            self._utterances.pop(event.utterance).end()

    def note_outcome(self, outcome: Outcome) -> None:
        """A job came back: its span begins where it was submitted."""
        now_ns = time.time_ns()
        start_ns = now_ns - round((outcome.queue_s + outcome.inference_s) * 1e9)
        attributes = {
            "fastring.utterance": outcome.job.utterance,
            "fastring.queue_s": outcome.queue_s,
            "fastring.inference_s": outcome.inference_s,
            "fastring.error": str(outcome.error or "")[:200],
        }
        span = self._tracer.start_span(
            f"job {outcome.job.kind}", context=self._parent, start_time=start_ns, attributes=attributes
        )
        span.end(end_time=now_ns)

    def stop(self) -> None:
        """Nothing more comes."""
        for span in self._utterances.values():
            span.end()
        self._utterances.clear()
