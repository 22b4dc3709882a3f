"""What the library's streams take as audio: float32 or int16 arrays, or bytes in a declared encoding."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias, get_args

import numpy as np

from fastring.audio.pcm import pcm16_to_float32
from fastring.errors import AudioFormatError, ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32: TypeAlias = NDArray[np.float32]
    AudioInput: TypeAlias = NDArray[np.float32] | NDArray[np.int16] | bytes | bytearray | memoryview

__all__ = ["Encoding", "check_encoding", "check_size", "for_float32_ring"]

Encoding = Literal["float32", "linear16"]


def check_size(name: str, value: int, least: int = 1) -> int:
    """`value` as an int, if it is a whole number of at least `least`.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, SupportsIndex) or operator.index(value) < least:
        raise ConfigError(f"{name} = {value!r}: must be a whole number of at least {least}")
    return operator.index(value)


def check_encoding(encoding: Encoding) -> Encoding:
    """`encoding` itself.

    Raises:
        ConfigError: if bytes cannot be read in it.
    """
    if encoding not in get_args(Encoding):
        raise ConfigError(f"encoding = {encoding!r}: must be {' or '.join(get_args(Encoding))}")
    return encoding


def for_float32_ring(audio: Any, encoding: Encoding) -> Any:
    """What a float32 ring may be given for `audio`; the ring itself checks shape and byte count.

    Args:
        audio: array of float32 (passed on) or int16 (divided by 32768); or little-endian bytes in `encoding`.
        encoding: how to read bytes.

    Raises:
        AudioFormatError: another type or dtype, or an odd number of bytes in linear16.
    """
    if isinstance(audio, np.ndarray):
        if audio.dtype == np.int16:
            return pcm16_to_float32(audio)
        if audio.dtype == np.float32:
            return audio
        raise AudioFormatError(f"audio of dtype {audio.dtype}: must be float32 or int16, or bytes")
    if not isinstance(audio, (bytes, bytearray, memoryview)):
        raise AudioFormatError(f"audio of type {type(audio).__name__}: must be a float32 or int16 array, or bytes")
    return pcm16_to_float32(audio) if encoding == "linear16" else audio
