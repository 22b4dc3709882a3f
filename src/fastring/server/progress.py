"""How far a voice stream has come: what the server holds, and what it has answered; for acknowledgements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastring.events import Ack, Closed, SpeechEnded, SpeechStarted

if TYPE_CHECKING:
    from fastring.events import Event

__all__ = ["Progress"]


class Progress:
    """Derives `Ack` from what goes in and what comes out.

    Audio before `committed` will cause no further event: it lies before the utterance that is open, or, in silence, so
    far back that no utterance to come can reach it with its pre-roll.

    Args:
        input_rate: samples per second and channel the client sends; acknowledgements count those.
        session_rate: what events count.
        reach_samples: how far back, at the session's rate, speech that starts now may reach.
        lead_samples: how much audio from before the start of an utterance belongs to it; None is all of the reach.
    """

    def __init__(
        self, *, input_rate: int, session_rate: int, reach_samples: int, lead_samples: int | None = None
    ) -> None:
        self._input_rate = input_rate
        self._session_rate = session_rate
        self._reach = reach_samples
        self._lead = reach_samples if lead_samples is None else lead_samples
        self._received = 0
        self._committed = 0
        self._decoded = 0
        self._open: dict[int, int] = {}
        self._closed = False

    @property
    def received(self) -> int:
        """Samples per channel that came, at the client's rate."""
        return self._received

    def note_audio(self, sent: int, decoded: int) -> None:
        """Audio was taken: so many samples at the client's rate, so many at the session's."""
        self._received += sent
        self._decoded += decoded

    def note_event(self, event: Event) -> None:
        """An event was handed to the connection."""
        if isinstance(event, SpeechStarted):
            self._open[event.utterance] = event.start
        elif isinstance(event, SpeechEnded):
            self._open.pop(event.utterance, None)
        elif isinstance(event, Closed):
            self._closed = True

    def ack(self, waiting: int) -> Ack:
        """The acknowledgement that is true now, if `waiting` samples of the session's are still unheard."""
        if self._closed:
            self._committed = self._received
        else:
            open_from = min(self._open.values(), default=None)
            settled = self._decoded - waiting - self._reach if open_from is None else open_from - self._lead
            committed = max(0, settled) * self._input_rate // self._session_rate
            self._committed = max(self._committed, min(committed, self._received))
        return Ack(self._received, self._committed)
