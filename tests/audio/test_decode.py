from __future__ import annotations

from fastring.audio.decode import ContainerDecoder, PcmDecoder, open_decoder
from fastring.audio.format import AudioFormat


def test_the_format_picks_the_decoder() -> None:
    raw = open_decoder(AudioFormat("mulaw", 8_000), sample_rate=24_000)
    assert isinstance(raw, PcmDecoder)
    assert raw.sample_rate == 24_000
    assert isinstance(open_decoder(AudioFormat("container")), ContainerDecoder)
