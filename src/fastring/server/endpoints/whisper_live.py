"""WhisperLive's endpoint: `/whisper_live`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastring.audio.decode import PcmDecoder
from fastring.audio.format import AudioFormat
from fastring.protocols.whisper_live import WhisperLiveCodec
from fastring.server.endpoints.one_channel import open_one_channel
from fastring.server.family import Asked, Family, Opening, SocketRoute

if TYPE_CHECKING:
    from fastring.server.services import Services

__all__ = ["WHISPER_LIVE", "open_whisper_live"]

_FORMAT = AudioFormat("float32", 16_000)


def open_whisper_live(services: Services, _asked: Asked) -> Opening:
    """A stream of that protocol.

    Raises:
        Problem: 503.
    """
    codec = WhisperLiveCodec(max_message_bytes=services.settings.server.max_message_bytes)
    return open_one_channel(services, codec, PcmDecoder(_FORMAT, _FORMAT.sample_rate), _FORMAT)


WHISPER_LIVE: Final = Family("whisper_live", sockets=(SocketRoute("whisper_live", "/whisper_live", open_whisper_live),))
