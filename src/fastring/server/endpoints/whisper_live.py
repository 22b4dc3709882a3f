"""WhisperLive's endpoint: `/whisper_live`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastring.audio.decode import PcmDecoder
from fastring.audio.format import AudioFormat
from fastring.errors import ProtocolError
from fastring.events import Closed, Failure, Ping
from fastring.protocols.whisper_live import WhisperLiveCodec
from fastring.server.endpoints.one_channel import open_one_channel
from fastring.server.family import Asked, Family, Opening, SocketRoute
from fastring.server.model_names import check_language
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from fastring.events import Command
    from fastring.server.services import Services
    from fastring.server.station import Line

__all__ = ["WHISPER_LIVE", "open_whisper_live"]

_FORMAT = AudioFormat("float32", 16_000)


def open_whisper_live(services: Services, _asked: Asked) -> Opening:
    """A stream of that protocol; where there is no place for it, one that says so to a client that has said its name.

    Raises:
        Problem: 503, the server goes down.
    """

    def code_of(language: str) -> str:
        try:
            return check_language(services, language)
        except Problem as problem:
            raise ProtocolError(problem.message, code=problem.code, close_code=1008) from None

    codec = WhisperLiveCodec(check_language=code_of, max_message_bytes=services.settings.server.max_message_bytes)
    decoder = PcmDecoder(_FORMAT, _FORMAT.sample_rate)
    try:
        return open_one_channel(services, codec, decoder, _FORMAT, lambda: codec.language)
    except Problem as problem:
        if problem.code not in WhisperLiveCodec.FULL:
            raise
        return Opening(codec, _FullHouse(Failure(problem.code, problem.message, fatal=True)))


class _FullHouse:
    """The station of a client that finds no place: its first message is answered by that, and no other is heard."""

    slice_bytes = 1 << 20
    congested = False

    def __init__(self, refusal: Failure) -> None:
        self._refusal = refusal
        self._line: Line | None = None

    def attach(self, line: Line) -> None:
        """See `Station`."""
        self._line = line

    def receive(self, command: Command, _now: float) -> None:
        """See `Station`."""
        if isinstance(command, Ping) and self._line is not None:
            self._line.post(self._refusal)

    def finish(self, _now: float) -> None:
        """See `Station`."""
        if self._line is not None:
            self._line.post(Closed("going away"))

    def detach(self) -> None:
        """See `Station`."""
        self._line = None


WHISPER_LIVE: Final = Family("whisper_live", sockets=(SocketRoute("whisper_live", "/whisper_live", open_whisper_live),))
