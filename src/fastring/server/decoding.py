"""Bytes of a connection to samples: what a station asks of a decoder, and the one that has nothing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fastring.audio.decode import ContainerDecoder
from fastring.errors import FastringError
from fastring.events import Failure

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CONTAINER_SLICE_BYTES", "Decoder", "PlainDecoder", "close_decoder", "flush_decoder", "slice_bytes"]

CONTAINER_SLICE_BYTES = 1024
"""A third of a second of Opus at 24 kbit/s."""

_SLICE_S = 0.25


class Decoder(Protocol):
    """One connection's decoder."""

    def push(self, data: bytes) -> NDArray[Any]:
        """The samples that these bytes complete."""
        ...

    def flush(self) -> NDArray[Any]:
        """What is left at the end."""
        ...


class PlainDecoder:
    """Samples that are taken as they come: whole frames in, the same bytes out as an array.

    Args:
        dtype: of NumPy.
    """

    def __init__(self, dtype: str) -> None:
        self._dtype = np.dtype(dtype)

    def push(self, data: bytes) -> NDArray[Any]:
        """The samples, interleaved."""
        return np.frombuffer(data, self._dtype)

    def flush(self) -> NDArray[Any]:
        """Nothing is ever left."""
        return np.zeros(0, self._dtype)


def flush_decoder(decoder: Decoder) -> tuple[NDArray[Any] | None, Failure | None]:
    """What is left at the end: samples, or what was wrong with the bytes. The end itself goes on either way."""
    try:
        return decoder.flush(), None
    except FastringError as error:
        return None, Failure("invalid_field", str(error))


def close_decoder(decoder: Decoder) -> None:
    """End what a decoder runs for itself: a container's has a thread."""
    if isinstance(decoder, ContainerDecoder):
        decoder.close()


def slice_bytes(sample_rate: int, frame_bytes: int) -> int:
    """How much of one message is worked off at a time: a quarter of a second, less in a container."""
    return max(1, int(sample_rate * _SLICE_S)) * frame_bytes or CONTAINER_SLICE_BYTES
