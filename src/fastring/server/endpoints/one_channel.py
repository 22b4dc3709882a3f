"""What protocols of one channel and no options before the upgrade have in common: their opening."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from fastring.server.channels_station import ChannelsStation
from fastring.server.family import Opening

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.audio.format import AudioFormat
    from fastring.protocols.codec import Codec
    from fastring.server.decoding import Decoder
    from fastring.server.services import Services

__all__ = ["open_one_channel"]


def open_one_channel(
    services: Services,
    codec: Codec,
    decoder: Decoder,
    audio: AudioFormat,
    language: Callable[[], str] = lambda: "",
) -> Opening:
    """A stream with partials.

    Args:
        services: of the server.
        codec: translates.
        decoder: from the client's encoding to 16 kHz mono.
        audio: that encoding, as far as it is known before the client has said anything.
        language: code, or "" for the configured one; asked again when the client has configured the stream.

    Raises:
        Problem: 503.
    """
    services.registry.check_engine()
    stream_id = str(uuid.uuid4())
    station = ChannelsStation(
        stream_id,
        open_runner=lambda _number: services.voice_runner(
            services.session_name(stream_id), language=language(), interim=True
        ),
        decoder=decoder,
        channels=1,
        input_rate=audio.sample_rate,
        input_channels=audio.channels,
        frame_bytes=audio.frame_bytes,
        counters=codec.counters,
        on_gone=services.registry.remove,
    )
    services.registry.add(station)
    return Opening(codec, station)
