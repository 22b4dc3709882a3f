"""What the handlers share, passed in once: settings, pool, registry, metrics, gate."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from fastring.analysis.silero import SileroStream, silero_available, silero_path
from fastring.server.decoders import Decoders
from fastring.server.uploads import Uploads
from fastring.server.voice_runner import VoiceRunner
from fastring.server.witnesses.callback import TriggerWitness
from fastring.server.witnesses.replies import ReplyWitness
from fastring.session.voice import VoiceSession

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fastring.analysis.detector import FrameScorer
    from fastring.asr.pool import TranscriberPool
    from fastring.asr.transcriber import Capabilities
    from fastring.config import EndpointSettings, Settings
    from fastring.protocols.codec import Counters
    from fastring.recitation.references import References
    from fastring.server.addresses import AddressLimits
    from fastring.server.auth import Gate
    from fastring.server.keys import Allowance
    from fastring.server.metrics import Metrics
    from fastring.server.registry import Registry
    from fastring.server.sessions.keeper import SessionKeeper
    from fastring.server.tracing import Tracing
    from fastring.server.witnesses.callback import TriggerCallback
    from fastring.server.witnesses.replies import LanguageModel
    from fastring.session.window import AdaptiveWindow

__all__ = ["SERVICES", "Services"]

log = structlog.get_logger("fastring.server")


@dataclass(slots=True, eq=False)
class Services:
    """One server's parts. `ended` sums the counters of connections that are gone, by endpoint."""

    settings: Settings
    capabilities: Capabilities
    pool: TranscriberPool
    registry: Registry
    metrics: Metrics
    gate: Gate
    addresses: AddressLimits
    allowance: Allowance
    window: AdaptiveWindow
    references: References
    keeper: SessionKeeper
    language_model: LanguageModel | None = None
    on_trigger: TriggerCallback | None = None
    tracing: Tracing | None = None
    ended: dict[str, Counters] = field(default_factory=dict)
    started_s: float = field(default_factory=time.monotonic)
    decoders: Decoders = field(init=False)
    uploads: Uploads = field(init=False)
    _vad_model: str = ""  # where it is, once it has been looked for
    _serial: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.decoders = Decoders(isolate=self.settings.server.isolate_decoders)
        self.uploads = Uploads(self)

    def refresh_keys(self) -> None:
        """Take over a changed file of keys; who came with a key that is gone has to go."""
        if self.gate.keys.refresh():
            self.allowance.update(self.gate.keys)
            for connection in list(self.registry.connections):
                if not self.allowance.knows(connection.owner):
                    connection.revoke()

    def hand_out_key(
        self, owner: str, scope: str, expires_s: int, *, prefix: str = "", session: Mapping[str, Any] | None = None
    ) -> str:
        """A short-lived key; see `ShortLivedKeys.issue`."""
        self.metrics.short_lived_keys.labels(scope).inc()
        log.info("short-lived key made", owner=owner, protocol=scope, expires_s=expires_s)
        return self.gate.short_lived_keys.issue(owner, scope, expires_s, prefix=prefix, session=session)

    def warm_up(self) -> None:
        """Load what the first stream would keep the others waiting for."""
        self._vad()
        self.decoders.warm_up()

    def session_name(self, stream_id: str) -> str:
        """A name that no other session of this process has or had, even under the same id."""
        return f"{stream_id}#{next(self._serial)}"

    def voice_runner(
        self,
        name: str,
        *,
        language: str,
        interim: bool,
        endpoint: EndpointSettings | None = None,
        replies: bool = False,
        segments: bool = False,
        turns_at_once: bool = False,
    ) -> VoiceRunner:
        """A new voice session, ready to run; see `voice_session`. `replies`: its client can be told those."""
        session = self.voice_session(
            name,
            language=language,
            interim=interim,
            endpoint=endpoint,
            segments=segments,
            turns_at_once=turns_at_once,
        )
        runner = VoiceRunner(
            session, name=name, pool=self.pool, metrics=self.metrics, admission=self.registry.admission
        )
        if self.tracing is not None:
            runner.trace = self.tracing.voice()
            runner.witnesses += (runner.trace,)
        if self.on_trigger is not None:
            runner.witnesses += (TriggerWitness(name.rpartition("#")[0], self.on_trigger),)
        if replies and self.language_model is not None:
            runner.witnesses += (ReplyWitness(self.language_model, runner),)
        return runner

    def voice_session(
        self,
        name: str,
        *,
        language: str,
        interim: bool,
        endpoint: EndpointSettings | None = None,
        live: bool = True,
        segments: bool = False,
        turns_at_once: bool = False,
    ) -> VoiceSession:
        """A new voice session with a voice detector of its own.

        Args:
            name: of its jobs; see `session_name`.
            language: code, or "" for the configured one.
            interim: whether partials are wanted.
            endpoint: when its speech starts and ends, if not as configured.
            live: whether its latency counts for the window that all live sessions share.
            segments: see `VoiceSession`.
            turns_at_once: see `VoiceSession`.
        """
        settings = self.settings
        return VoiceSession(
            name,
            voice=settings.voice,
            endpoint=endpoint or settings.endpoint,
            capabilities=self.capabilities,
            vad=self._vad(),
            language=language or settings.asr.language,
            interim=interim,
            segments=segments,
            turns_at_once=turns_at_once,
            window=self.window if live else None,
            max_jobs=settings.asr.max_queue,
        )

    def _vad(self) -> FrameScorer | None:
        wanted = self.settings.endpoint.vad
        if wanted != "silero" and not (wanted == "auto" and (self._vad_model or silero_available())):
            return None
        self._vad_model = self._vad_model or str(silero_path())
        return SileroStream(self._vad_model)


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
