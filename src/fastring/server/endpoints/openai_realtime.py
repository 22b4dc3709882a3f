"""Behind an OpenAI realtime connection: one voice session after another, and the turns that become items."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from fastring.audio.decode import PcmDecoder
from fastring.audio.format import AudioFormat
from fastring.errors import ProtocolError, StreamExistsError
from fastring.events import (
    Audio,
    Clear,
    Closed,
    Configure,
    Echo,
    Failure,
    Final,
    Finalize,
    Partial,
    SpeechEnded,
    SpeechStarted,
    SpeechStopped,
)
from fastring.protocols.openai_realtime import RealtimeCodec
from fastring.protocols.openai_session import RealtimeRefusedError, RealtimeSession
from fastring.server.decoding import slice_bytes
from fastring.server.family import Asked, Opening
from fastring.server.model_names import check_model
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastring.events import Command, Event
    from fastring.server.services import Services
    from fastring.server.station import Line
    from fastring.server.voice_runner import VoiceRunner

__all__ = ["RealtimeStation", "new_session", "open_realtime"]

SESSION_RATE = 16_000
_EXPIRES_S = 3600
_IDLE_S = 600.0  # a session is kept open between two turns, which may be long
_MOST_RUNS = 8  # sessions that are still answering, besides the one that listens


def open_realtime(services: Services, asked: Asked) -> Opening:
    """`WS /v1/realtime`, with `?intent=transcription` or `?model=`, in the newer shape or the older one.

    Raises:
        Problem: 400, 404, 429 or 503.
    """
    model = asked.query.get("model", "")
    if not knows_model(services, model):
        raise Problem(404, "unknown_model", f"model {model!a} is not loaded here", param="model")
    session = new_session(services, int(time.time()) + _EXPIRES_S, model, asked.session)
    services.registry.check_engine()
    offered = asked.headers.get("Sec-WebSocket-Protocol", "")
    old = "realtime=v1" in asked.headers.get("OpenAI-Beta", "") or "openai-beta.realtime-v1" in offered
    codec = RealtimeCodec(session, new_id=new_id, old=old)
    first = codec.created(transcription=asked.query.get("intent") == "transcription" or bool(asked.session))
    station = RealtimeStation(services, session.session_id, first=first, settings=session.settings())
    try:
        services.registry.add(station)
    except StreamExistsError as error:
        raise Problem(409, "stream_exists", str(error)) from None
    return Opening(codec, station, idle_timeout_s=_IDLE_S)


def new_session(
    services: Services, expires_at: int, model: str = "", settings: Mapping[str, Any] | None = None
) -> RealtimeSession:
    """A session with the server's defaults, or with settings of either shape.

    Raises:
        Problem: 400 or 404, which names the setting.
    """
    session = RealtimeSession(
        new_id("sess"),
        expires_at=expires_at,
        endpoint=services.settings.endpoint,
        model=model or services.capabilities.model,
        knows_model=lambda name: knows_model(services, name),
        languages=services.capabilities.languages,
    )
    try:
        session.update(dict(settings or {}))
    except RealtimeRefusedError as error:
        status = 404 if error.code == "model_not_found" else 400
        raise Problem(status, error.code, str(error), param=error.param) from None
    return session


def knows_model(services: Services, name: str) -> bool:
    """Whether a name means the loaded model; no name does."""
    try:
        check_model(services, name)
    except Problem:
        return False
    return True


def new_id(prefix: str) -> str:
    """A name nobody had before."""
    return f"{prefix}_{secrets.token_hex(12)}"


class RealtimeStation:
    """One realtime session.

    A commit closes the voice session that listens, which then answers what it heard, and opens another; so does a
    change of settings. With server VAD every utterance is a turn; without it all that lies between two commits is.

    Args:
        services: of the server.
        stream_id: the session's name.
        first: the first event.
        settings: see `RealtimeSession.settings`.
    """

    kind: Literal["voice"] = "voice"

    def __init__(self, services: Services, stream_id: str, *, first: Echo, settings: Mapping[str, Any]) -> None:
        self.stream_id = stream_id
        self._services = services
        self._first = first
        self._settings = settings
        self._line: Line | None = None
        self._turns = 0
        self._samples = 0  # at the session's rate, of all that came
        self._closing = False
        self._started_s = time.monotonic()
        self._decoder = _decoder(settings)
        self._answering: list[_Run] = []
        self._run = _Run(self)

    # --- the station ---------------------------------------------------------------------------------------------

    @property
    def slice_bytes(self) -> int:
        """What `decoding` says."""
        return slice_bytes(self._decoder.format.sample_rate, self._decoder.format.frame_bytes)

    @property
    def congested(self) -> bool:
        """The engine is behind: with what is being heard, or with the turns before it."""
        return self._run.runner.congested or len(self._answering) >= _MOST_RUNS

    def attach(self, line: Line) -> None:
        """Say what the session is."""
        self._line = line
        self.post(self._first)

    def receive(self, command: Command, now: float) -> None:
        """Take a command; see `Station.receive`."""
        if self._closing:
            return
        if isinstance(command, Audio):
            self._hear(self._decoder.push(command.data), now)
        elif isinstance(command, Finalize):
            self._commit(now)
        elif isinstance(command, Clear):
            self._clear(now)
        elif isinstance(command, Configure):
            self._configure(command.fields, now)
        elif isinstance(command, Echo):
            self.post(command)
        else:
            raise ProtocolError("a realtime session takes no such command", code="unknown_type")

    def finish(self, now: float) -> None:
        """Answer what was heard, then `Closed`."""
        if not self._closing:
            self._closing = True
            self._run.close(now, self._samples)
            self._answering.append(self._run)
            self.ended(None)

    def stop(self) -> dict[str, Any]:
        """End it from outside, once what it heard is answered; see `Stream.stop`."""
        self.finish(time.monotonic())
        return self.stats()

    def detach(self) -> None:
        """Cancel what runs for it."""
        self._line = None
        for run in (*self._answering, self._run):
            run.runner.stop()
        self._services.registry.remove(self)

    def stats(self) -> dict[str, Any]:
        """The summary, and how much came."""
        return {**self.summary(), "received": self._samples, "turns": self._turns}

    def summary(self) -> dict[str, Any]:
        """What a list of streams shows."""
        return {
            "stream_id": self.stream_id,
            "kind": self.kind,
            "sample_rate": self._decoder.format.sample_rate,
            "channels": 1,
            "connections": 1,
            "uptime_s": round(time.monotonic() - self._started_s, 3),
        }

    # --- for its runs --------------------------------------------------------------------------------------------

    def post(self, event: Event) -> None:
        """Say it, if anybody is there."""
        if self._line is not None:
            self._line.post(event)

    def relieve(self) -> None:
        """Read on, if there is room."""
        if self._line is not None and not self.congested:
            self._line.relieve()

    def new_turn(self) -> int:
        """The number of a turn that begins."""
        self._turns += 1
        return self._turns

    def ended(self, run: _Run | None) -> None:
        """A run has answered everything."""
        if run in self._answering:
            self._answering.remove(run)
        if self._closing and not self._answering:
            self.post(Closed("going away"))
        self.relieve()

    def open_runner(self) -> tuple[VoiceRunner, int, bool]:
        """A new voice session, the sample it begins at, and whether turns are found by its endpoints."""
        endpoint = self._settings["endpoint"]
        by_vad = endpoint is not None
        if endpoint is None:  # pauses end utterances, which make the deltas, but no turn
            endpoint = replace(self._services.settings.endpoint, stall_ms=0)
        runner = self._services.voice_runner(
            self._services.session_name(self.stream_id),
            language=self._settings["language"],
            interim=True,
            endpoint=endpoint,
            turns_at_once=by_vad,
        )
        return runner, self._samples, by_vad

    # --- in ------------------------------------------------------------------------------------------------------

    def _hear(self, samples: Any, now: float) -> None:
        self._samples += len(samples)
        self._run.used = self._run.used or len(samples) > 0
        self._run.runner.receive_audio(samples, now)

    def _commit(self, now: float) -> None:
        self._hear(self._decoder.flush(), now)
        self._run.commit()
        self._next(now)

    def _clear(self, now: float) -> None:
        """Forget the turn that goes on; those that have ended are answered."""
        self._decoder.flush()
        self.post(Echo("forget", {"items": self._run.forget()}))
        if self._run.turns():
            self._next(now)
        else:
            self._run.runner.stop()
            self._run = _Run(self)

    def _configure(self, settings: Mapping[str, Any], now: float) -> None:
        before, self._settings = self._settings, settings
        if (before["encoding"], before["sample_rate"]) != (settings["encoding"], settings["sample_rate"]):
            self._hear(self._decoder.flush(), now)
            self._decoder = _decoder(settings)
        if (before["language"], before["endpoint"]) == (settings["language"], settings["endpoint"]):
            return
        if not self._run.used:
            self._run.runner.stop()
            self._run = _Run(self)
        elif self._run.by_vad:
            self._next(now)
        # else the turn goes on as it began: what changed holds from the next commit on

    def _next(self, now: float) -> None:
        """Let the run that listens answer what it heard; another listens from here on."""
        run, self._run = self._run, _Run(self)
        self._answering.append(run)
        run.close(now, self._samples)


class _Run:
    """One voice session of a realtime session: its listener, which gives its utterances the numbers of turns."""

    def __init__(self, station: RealtimeStation) -> None:
        self.used = False
        self._station = station
        self.runner, self._begin, self.by_vad = station.open_runner()
        self.runner.listener = self
        self._turns: dict[int, int] = {}  # by utterance; without VAD one for all
        self._whole = 0 if self.by_vad else station.new_turn()
        self._speaking: int | None = None  # the utterance that goes on, with VAD
        self._deaf = False
        self._committed = False
        self._end = self._begin

    def turns(self) -> list[int]:
        """Those that are not over."""
        return [*self._turns.values(), *([self._whole] if self._whole else ())]

    def commit(self) -> None:
        """The client ends the turn; with VAD none may be going on, and then it is an empty one."""
        if self._speaking is not None:
            return
        self._whole = self._whole or self._station.new_turn()
        self._committed = True
        self._station.post(Echo("commit", {"item": self._whole, "start": self._begin}))

    def forget(self) -> list[int]:
        """Nothing more is told but the ends of turns that have ended; returns those that have not."""
        self._deaf = True
        forgotten, self._whole = [self._whole] if self._whole else [], 0
        if self._speaking is not None:
            forgotten.append(self._turns.pop(self._speaking))
        return forgotten

    def close(self, now: float, end: int) -> None:
        """Its audio ends at that sample of the stream: answer everything, then `Closed`."""
        self._end = end
        self.runner.close(now, "committed")

    def hear(self, event: Event) -> None:
        """See `VoiceListener`."""
        if isinstance(event, Closed):
            if self._committed:
                self._station.post(SpeechEnded(0, self._whole, self._end))
            self._station.ended(self)
        elif isinstance(event, Failure):
            self._fail(event)
        elif isinstance(event, SpeechStarted):
            self._start(event)
        elif isinstance(event, SpeechStopped | Partial | Final | SpeechEnded) and (turn := self._turn(event)):
            if isinstance(event, SpeechStopped):
                self._speaking = None
            elif isinstance(event, SpeechEnded):
                del self._turns[event.utterance]
            else:
                event = replace(event, start=event.start + self._begin)
            self._station.post(replace(event, utterance=turn, end=event.end + self._begin))

    def relieve(self) -> None:
        """See `VoiceListener`."""
        self._station.relieve()

    def _start(self, event: SpeechStarted) -> None:
        if self.by_vad and not self._deaf:
            self._speaking = event.utterance
            self._turns[event.utterance] = turn = self._station.new_turn()
            self._station.post(replace(event, utterance=turn, start=event.start + self._begin))

    def _turn(self, event: SpeechStopped | Partial | Final | SpeechEnded) -> int:
        """Its turn; 0 if it has none: it is forgotten, or the end of an utterance that is not a turn of its own."""
        if self.by_vad:
            return self._turns.get(event.utterance, 0)
        return 0 if isinstance(event, SpeechEnded) else self._whole

    def _fail(self, failure: Failure) -> None:
        """Text is lost: the turn says so. Other troubles pass."""
        if failure.fatal:
            self._station.post(failure)
        elif failure.text_lost:
            for turn in self.turns()[:1]:
                self._station.post(Echo("lost", {"item": turn, "message": failure.message}))


def _decoder(settings: Mapping[str, Any]) -> PcmDecoder:
    return PcmDecoder(AudioFormat(settings["encoding"], settings["sample_rate"]), SESSION_RATE)
