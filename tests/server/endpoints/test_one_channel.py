from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastring.audio.decode import PcmDecoder
from fastring.audio.format import AudioFormat
from fastring.protocols.whisper_live import WhisperLiveCodec
from fastring.server.endpoints.one_channel import open_one_channel
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from serving import Serve


async def test_a_stream_is_opened_while_there_is_room(serve: Serve) -> None:
    async with serve(max_streams=1) as server:
        codec, audio = WhisperLiveCodec(), AudioFormat("float32")
        opening = open_one_channel(server.services, codec, PcmDecoder(audio), audio)
        assert opening.codec is codec
        assert len(server.services.registry) == 1
        with pytest.raises(Problem) as caught:
            open_one_channel(server.services, codec, PcmDecoder(audio), audio)
        assert caught.value.status == 503
        opening.station.detach()
        assert len(server.services.registry) == 0
