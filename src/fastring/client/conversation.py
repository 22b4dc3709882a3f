"""The client's half of a voice stream that survives its connections: what to send next, what has been heard. No I/O.

Audio is numbered by the client's own sample index, which only grows, whatever becomes of the session. `_offset` is the
index at which the present session began. Three marks move along: what was put on the present connection (`_sent`), what
the server is known to hold (`_received`), and what it will never speak of again (`committed`), which is forgotten.

A lost connection moves `_sent` back: to the sample that the server names if the session is had back, or, in a fresh
session, to the end of the last utterance that was answered, as far as audio is still held. Frames of the speech
detector are counted from a session's first sample, so a fresh one begins at a whole frame of the one before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastring.client.events import AudioLost, Closed, Final, Ready, Restarted, Resumed, ServerError, SpeechEnded
from fastring.client.held_audio import HeldAudio
from fastring.client.reading import NUMBERED, Shift, read_event

if TYPE_CHECKING:
    from fastring.client.events import ClientEvent

__all__ = ["Conversation", "Limits"]

_FRAMES_PER_SECOND = 16_000 / 512
_GOING_AWAY = "going away"
_FORCED_END_S = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a conversation.

    Attributes:
        buffer_s: audio held for the case that it must be sent again.
        message_s: audio in one message.
        catch_up_rate: seconds of audio sent per second after a connection was lost; 0 is no limit.
        drop: a full buffer gives up its oldest audio (a microphone cannot wait); else `room` says when to wait.
    """

    buffer_s: float = 60.0
    message_s: float = 0.1
    catch_up_rate: float = 4.0
    drop: bool = False


class Conversation:
    """One voice stream over any number of connections. One owner at a time.

    The owner calls `connected` and `lost`, gives `receive` every message, and sends what `to_send` returns until it
    returns None; then it waits for `next_send_s`, for audio, or for a message.

    Args:
        sample_rate: of the audio, in Hz.
        frame_bytes: bytes of one sample of all channels.
        limits: bounds.
    """

    def __init__(self, sample_rate: int, frame_bytes: int, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._sample_rate = sample_rate
        self._held = HeldAudio(frame_bytes)
        self._capacity = round(self._limits.buffer_s * sample_rate)
        self._message_samples = max(1, round(self._limits.message_s * sample_rate))
        self._frame_samples = max(1, round(sample_rate / _FRAMES_PER_SECOND))
        self._token: str | None = None  # None: there was no session yet
        self._next_token = ""
        self._phase = "away"
        self._offset = 0
        self._sent = 0
        self._received = 0
        self._committed = 0
        self._answered = 0
        self._seen_seq = -1
        self._told = 0
        self._first_utterance = 0
        self._open_utterance: int | None = None
        self._final: Final | None = None  # of the open utterance
        self._utterances = 0
        self._finalizes: list[int] = []  # where, of this session
        self._finalizes_sent = 0
        self._closing = False
        self._close_sent = False
        self._paced_until = 0
        self._pace_began_s = 0.0
        self._pace_from = 0
        self.finished = False
        self.lost_samples = 0

    # --- the user's side ---------------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """Samples that can be taken now without giving up any that the server does not hold."""
        return self._capacity - (self._held.end - max(self._held.oldest, self._received))

    @property
    def drops(self) -> bool:
        """A full buffer gives up its oldest audio."""
        return self._limits.drop

    @property
    def oldest(self) -> int:
        """The oldest sample that could be sent again."""
        return self._held.oldest

    @property
    def end(self) -> int:
        """Samples taken so far."""
        return self._held.end

    @property
    def waits(self) -> bool:
        """Something was sent that the server has to answer."""
        return self._phase != "live" or self._sent > self._received or self._close_sent

    @property
    def is_broken(self) -> bool:
        """Audio was given up that the session still lacked: this connection can only be given up, too."""
        return self._phase == "live" and self._sent < self._held.oldest

    def push(self, data: bytes) -> None:
        """Take audio.

        Raises:
            AudioFormatError: if it is no whole number of samples.
        """
        if self._closing:
            return
        self._held.append(data)
        over = len(self._held) - self._capacity
        if over > 0:
            limit = self._held.end if self._limits.drop else max(self._received, self._held.oldest)
            self._held.forget(min(self._held.oldest + over, limit))

    def finalize(self) -> None:
        """End the utterance where the audio ends now."""
        if not self._closing:
            self._finalizes.append(self._held.end)

    def close(self) -> None:
        """No audio follows."""
        self._closing = True

    # --- the connection's side ---------------------------------------------------------------------------------------

    def connected(self) -> None:
        """There is a new connection."""
        self._phase = "opening"
        self._close_sent = False

    def lost(self) -> None:
        """It is gone."""
        self._phase = "away"

    def next_send_s(self) -> float | None:
        """When `to_send` may have something, if nothing else happens; None: never."""
        if self._phase != "live" or not self._is_paced():
            return None
        return self._pace_due_s()

    def to_send(self, now: float) -> str | bytes | None:
        """The next message for the connection; None if there is none now."""
        if self._phase == "opening" and self._token:
            self._phase = "resuming"
            return self._resume_message()
        if self._phase != "live" or self.is_broken:
            return None
        if self._finalizes_sent < len(self._finalizes) and self._finalizes[self._finalizes_sent] <= self._sent:
            self._finalizes_sent += 1
            return '{"type":"finalize"}'
        if self._sent < self._held.end:
            return self._audio_to_send(now)
        if self._closing and not self._close_sent:
            self._close_sent = True
            return '{"type":"close"}'
        return None

    def receive(self, message: dict[str, Any], now: float) -> list[ClientEvent]:
        """Take a message of the server; what there is to tell the user."""
        kind = message.get("type")
        if kind == "ack":
            self._acknowledged(message)
            return []
        if kind == "ready":
            return self._ready(message, now)
        if kind == "resumed":
            return self._resumed(message, now)
        if kind == "error":
            return self._error(message, now)
        if kind == "closed":
            return self._closed(message)
        return self._tell(message)

    # --- what is sent ------------------------------------------------------------------------------------------------

    def _resume_message(self) -> str:
        oldest = max(0, self._held.oldest - self._offset)
        resume = {"type": "resume", "token": self._token, "last_seq": self._seen_seq, "oldest_sample": oldest}
        return json.dumps(resume)

    def _audio_to_send(self, now: float) -> bytes | None:
        if self._is_paced() and self._pace_due_s() > now:
            return None
        count = self._message_samples
        if self._finalizes_sent < len(self._finalizes):
            count = min(count, self._finalizes[self._finalizes_sent] - self._sent)
        data = self._held.read(self._sent, count)
        self._sent = min(self._sent + count, self._held.end)
        return data

    def _is_paced(self) -> bool:
        return self._limits.catch_up_rate > 0 and self._sent < self._paced_until

    def _pace_due_s(self) -> float:
        behind_s = (self._sent - self._pace_from) / self._sample_rate
        return self._pace_began_s + behind_s / self._limits.catch_up_rate

    def _pace(self, now: float) -> None:
        """From here on send no faster than allowed, until the audio of this moment is sent."""
        self._pace_began_s, self._pace_from, self._paced_until = now, self._sent, self._held.end

    # --- what is heard -----------------------------------------------------------------------------------------------

    def _ready(self, message: dict[str, Any], now: float) -> list[ClientEvent]:
        self._next_token = str(message.get("resume_token", ""))
        if self._phase == "resuming" or self._token:
            return []
        first, self._token = self._token is None, self._next_token
        self._phase = "live"
        if first:
            return [Ready(str(message.get("engine", "")), str(message.get("model", "")), message)]
        return self._restart("no token", now)  # the server before this one let no session wait

    def _resumed(self, message: dict[str, Any], now: float) -> list[ClientEvent]:
        self._token = str(message["resume_token"])
        self._phase = "live"
        self._sent = self._received = self._offset + int(message["next_sample"])
        self._finalizes_sent = min(int(message.get("finalizes", self._finalizes_sent)), len(self._finalizes))
        self._pace(now)
        return [Resumed((self._held.end - self._sent) / self._sample_rate)]

    def _error(self, message: dict[str, Any], now: float) -> list[ClientEvent]:
        if message.get("code") == "resume_failed" and self._phase == "resuming":
            self._token = self._next_token
            self._phase = "live"
            return self._restart(str(message.get("reason", "")), now)
        return [ServerError(str(message.get("code")), str(message.get("message")), bool(message.get("fatal")))]

    def _restart(self, reason: str, now: float) -> list[ClientEvent]:
        """The session before is gone: go on in a fresh one, from the end of what was answered."""
        aligned = self._offset + (self._answered - self._offset) // self._frame_samples * self._frame_samples
        start = max(self._held.oldest, min(aligned, self._held.end))
        lost_from = max(self._answered, self._committed)
        told = self._end_what_has_its_final()
        if self._utterances:
            self._finalizes = [at for at in self._finalizes if at > self._answered + _FORCED_END_S * self._sample_rate]
        self._finalizes_sent = 0
        self._offset = self._sent = self._received = self._committed = start
        self._seen_seq = -1
        self._first_utterance = self._utterances if self._open_utterance is None else self._open_utterance
        self._pace(now)
        if start > lost_from:
            self.lost_samples += start - lost_from
            told.append(AudioLost(lost_from / self._sample_rate, start / self._sample_rate))
        return [*told, Restarted(reason, start / self._sample_rate)]

    def _end_what_has_its_final(self) -> list[ClientEvent]:
        """The end of an utterance says no more than its final: if it was lost with the session, it is told here."""
        final, self._final = self._final, None
        if final is None:
            return []
        self._open_utterance = None
        self._told += 1
        return [SpeechEnded(self._told - 1, final.utterance, final.end)]

    def _acknowledged(self, message: dict[str, Any]) -> None:
        self._received = max(self._received, self._offset + int(message["received"]))
        self._committed = max(self._committed, self._offset + int(message["committed"]))
        self._held.forget(min(self._committed, self._sent))
        self._token = str(message.get("resume_token") or "") or self._token

    def _closed(self, message: dict[str, Any]) -> list[ClientEvent]:
        if message.get("reason") == _GOING_AWAY:
            return []  # the connection ends now, and the next one goes on
        self.finished = True
        return [Closed(str(message.get("reason")), message.get("stats", {}))]

    def _tell(self, message: dict[str, Any]) -> list[ClientEvent]:
        kind = message.get("type")
        if kind in NUMBERED:
            if message["seq"] <= self._seen_seq:
                return []
            self._seen_seq = message["seq"]
            if kind == "speech_started" and self._begun(message["utterance"] + self._first_utterance):
                return []
        shift = Shift(self._offset / self._sample_rate, self._first_utterance, self._told)
        event = read_event(message, shift)
        if event is None:
            return []
        if kind in NUMBERED:
            self._told += 1
        if kind == "speech_ended":
            self._open_utterance = self._final = None
        elif isinstance(event, Final):
            self._final = event
            self._answered = max(self._answered, self._offset + round(message["end"] * self._sample_rate))
        return [event]

    def _begun(self, utterance: int) -> bool:
        """An utterance begins; whether it had begun before, in a session that is gone."""
        again = self._open_utterance == utterance
        self._open_utterance = utterance
        self._utterances = utterance + 1
        return again
