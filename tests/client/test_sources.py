from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fastring.client.sources import as_bytes, chunks_of, microphone
from fastring.errors import AudioFormatError, FastringError
from fastring.recordings import recording_path


async def everything(source: Any) -> list[Any]:
    return [chunk async for chunk in chunks_of(source, 16_000)]


async def test_a_file_comes_in_chunks_of_int16() -> None:
    chunks = await everything(recording_path("seen_0"))
    assert all(chunk.dtype == np.int16 for chunk in chunks)
    assert sum(map(len, chunks)) * 2 == len(recording_path("seen_0").read_bytes()) - 44
    with pytest.raises(FastringError, match="nowhere"):
        await everything("nowhere.wav")


async def test_one_array_is_one_chunk() -> None:
    (chunk,) = await everything(np.zeros(5, np.int16))
    assert len(chunk) == 5


def test_arrays_become_what_the_wire_wants() -> None:
    assert as_bytes(np.array([1, -2], np.int16), "linear16") == b"\x01\x00\xfe\xff"
    assert as_bytes(np.array([0.5, -1.0], np.float32), "linear16") == b"\x00\x40\x00\x80"
    assert as_bytes(np.array([[0.5], [-1.0]], np.float32), "linear16") == b"\x00\x40\x00\x80"
    assert as_bytes(np.array([1.0], np.float32), "float32") == b"\x00\x00\x80\x3f"
    assert as_bytes(b"\xff", "mulaw") == b"\xff"
    with pytest.raises(AudioFormatError, match="float64"):
        as_bytes(np.zeros(1), "linear16")  # type: ignore[arg-type]
    with pytest.raises(AudioFormatError, match="mulaw"):
        as_bytes(np.zeros(1, np.int16), "mulaw")
    with pytest.raises(AudioFormatError, match="of type list"):
        as_bytes([0.5], "linear16")  # type: ignore[arg-type]


def test_channels_are_not_taken_for_samples() -> None:
    stereo = np.array([[1, 2], [3, 4]], np.int16)
    assert as_bytes(stereo, "linear16", channels=2) == b"\x01\x00\x02\x00\x03\x00\x04\x00"
    for wrong in (stereo, stereo.T.reshape(1, 2, 2)):
        with pytest.raises(AudioFormatError, match=r"channels=1, so \(frames, 1\) is wanted"):
            as_bytes(wrong, "linear16")


async def test_what_is_no_source_is_told() -> None:
    with pytest.raises(AudioFormatError, match="of type NoneType"):
        await everything(None)


class FakeSound(ModuleType):
    """The few names of `sounddevice` that are used; blocks come from another thread, as PortAudio's do."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.stopped = False
        self.options: dict[str, Any] = {}

    def InputStream(self, *, callback: Any, device: Any, **options: Any) -> Any:  # noqa: N802
        if device == "none":
            raise self.PortAudioError("no such device")
        self.options, sound = options, self

        class Stream:
            def __enter__(self) -> None:
                loop = asyncio.get_running_loop()
                for n in range(3):
                    block = np.full((options["blocksize"], 1), n, np.int16)
                    loop.run_in_executor(None, callback, block, len(block), None, None)

            def __exit__(self, *_: object) -> None:
                sound.stopped = True

        return Stream()


async def test_the_microphone_is_an_endless_source(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = FakeSound()
    monkeypatch.setitem(sys.modules, "sounddevice", sound)
    heard = []
    blocks = microphone(8_000, block_s=0.05)
    async for block in blocks:
        heard.append(int(block[0]))
        assert block.shape == (400,)
        if len(heard) == 3:
            break
    await blocks.aclose()
    assert sorted(heard) == [0, 1, 2]
    assert sound.stopped
    assert sound.options["samplerate"] == 8_000
    with pytest.raises(FastringError, match="no microphone"):
        async for _ in microphone(device="none"):
            pass


async def test_a_machine_without_a_sound_system_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FastringError, match=r"PortAudio library not found.*libportaudio2"):
        async for _ in microphone():
            pass
