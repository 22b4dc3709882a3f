"""The endpoint of vosk-server: `/vosk`, for clients of it that are given an address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastring.audio.decode import PcmDecoder
from fastring.audio.format import AudioFormat
from fastring.protocols.vosk import VoskCodec
from fastring.server.endpoints.one_channel import open_one_channel
from fastring.server.family import Asked, Family, Opening, SocketRoute

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fastring.server.services import Services

__all__ = ["VOSK", "open_vosk"]

_SESSION_RATE = 16_000


class _ConfiguredDecoder:
    """Linear16 at the rate that the client has set when its first audio comes."""

    def __init__(self, codec: VoskCodec) -> None:
        self._codec = codec
        self._inner: PcmDecoder | None = None

    def push(self, data: bytes) -> NDArray[np.int16]:
        if self._inner is None:
            self._inner = PcmDecoder(AudioFormat("linear16", self._codec.sample_rate), _SESSION_RATE)
        return self._inner.push(data)

    def flush(self) -> NDArray[np.int16]:
        return self.push(b"") if self._inner is None else self._inner.flush()


def open_vosk(services: Services, _asked: Asked) -> Opening:
    """A stream of that protocol.

    Raises:
        Problem: 503.
    """
    codec = VoskCodec(max_message_bytes=services.settings.server.max_message_bytes)
    return open_one_channel(services, codec, _ConfiguredDecoder(codec), AudioFormat("linear16", _SESSION_RATE))


VOSK: Final = Family("vosk", sockets=(SocketRoute("vosk", "/vosk", open_vosk),))
