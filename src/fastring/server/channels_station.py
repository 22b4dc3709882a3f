"""Behind a connection whose channels are heard apart, or as one: a decoder, and a voice session for each channel."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from fastring.errors import AudioError, ProtocolError
from fastring.events import (
    Audio,
    ChannelEvent,
    Close,
    Closed,
    Configure,
    Echo,
    Endpointing,
    Failure,
    Finalize,
    Heard,
    Ping,
    Pong,
    SpeechEnded,
    Status,
)
from fastring.server.decoding import close_decoder, flush_decoder, slice_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from fastring.events import Command, Event
    from fastring.protocols.codec import Counters
    from fastring.server.decoding import Decoder
    from fastring.server.station import Line
    from fastring.server.voice_runner import VoiceRunner

__all__ = ["MAX_CHANNELS_APART", "ChannelsStation"]

MAX_CHANNELS_APART = 16
"""Channels of one stream that are heard apart; each takes the room of a stream."""

_SESSION_RATE = 16_000


class ChannelsStation:
    """One voice stream. What it says of a channel it wraps in `ChannelEvent`; `Closed` comes once all are done.

    `Closed.stats` holds `duration_s` and `channels` of the audio that came, both 0 if none did.

    Args:
        stream_id: names the stream.
        open_runner: makes the session of a channel, given its number.
        decoder: from the client's encoding to 16 kHz: int16 of shape (n,), or (n, channels) where they are kept apart.
        channels: how many the decoder gives; where only the audio says, as a container does, 1 to begin with.
        input_rate: samples per second and channel that the client sends.
        input_channels: channels that it sends, as far as that is known.
        frame_bytes: bytes of one such sample of all channels; 0 for containers.
        counters: the codec's.
        reach_samples: how far back speech that is noticed now may have begun, for `Heard`; None: it is not wanted.
        tell_every_samples: how far a channel must have come since it last said how far.
        greeting: what is said first, before anything has come.
        on_gone: called once when the connection is gone.
    """

    kind: Literal["voice"] = "voice"

    def __init__(
        self,
        stream_id: str,
        *,
        open_runner: Callable[[int], VoiceRunner],
        decoder: Decoder,
        channels: int,
        input_rate: int,
        input_channels: int,
        frame_bytes: int,
        counters: Counters,
        reach_samples: int | None = None,
        tell_every_samples: int = 1_600,
        greeting: Event | None = None,
        on_gone: Callable[[ChannelsStation], object] = lambda _station: None,
    ) -> None:
        self.stream_id = stream_id
        self._open_runner = open_runner
        self._decoder = decoder
        self._input_rate = input_rate
        self._input_channels = input_channels
        self._frame_bytes = frame_bytes
        self._counters = counters
        self._reach = reach_samples
        self._tell_every = tell_every_samples
        self._greeting = greeting
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._line: Line | None = None
        self._closing = False
        self._received_bytes = 0
        self._decoded = 0
        self._started_s = time.monotonic()
        self._channels = [_Channel(self, number) for number in range(channels)]

    # --- the station -------------------------------------------------------------------------------------------------

    @property
    def slice_bytes(self) -> int:
        """What `decoding` says."""
        return slice_bytes(self._input_rate, self._frame_bytes)

    @property
    def congested(self) -> bool:
        """One channel is enough: their audio comes together."""
        return any(channel.runner.congested for channel in self._channels)

    def attach(self, line: Line) -> None:
        """Listen, and greet."""
        self._line = line
        if self._greeting is not None:
            self._post(self._greeting)

    def receive(self, command: Command, now: float) -> None:
        """Take a command; see `Station.receive`.

        Raises:
            ProtocolError: also, fatally, if the audio cannot be decoded.
        """
        if isinstance(command, Audio):
            self._receive_audio(command.data, now)
        elif isinstance(command, Finalize):
            for channel in self._meant(command):
                channel.runner.finalize(now)
        elif isinstance(command, Close):
            self._close(now, "requested")
        elif isinstance(command, Configure):
            self._open_again()
        elif isinstance(command, Endpointing):
            for channel in self._channels:
                channel.runner.set_endpointing(command, now)
        elif isinstance(command, Ping):
            self._post(Pong())
        elif isinstance(command, Echo):
            self._post(command)
        else:
            raise ProtocolError("this stream takes no such command", code="unknown_type")

    def finish(self, now: float) -> None:
        """Flush, then `Closed`."""
        self._close(now, "going away")

    def stop(self) -> dict[str, Any]:
        """End it from outside, once what it said is answered; see `Stream.stop`."""
        self._close(time.monotonic(), "stopped")
        return self.stats()

    def detach(self) -> None:
        """Cancel what runs for it."""
        self._line = None
        for channel in self._channels:
            channel.runner.stop()
        close_decoder(self._decoder)
        self._on_gone(self)

    def stats(self) -> dict[str, Any]:
        """The stats object of the native protocol, of the first channel where channels differ."""
        return {**self.summary(), **asdict(self._counters), **asdict(self._channels[0].runner.stats())}

    def summary(self) -> dict[str, Any]:
        """What a list of streams shows."""
        return {
            "stream_id": self.stream_id,
            "kind": self.kind,
            "sample_rate": self._input_rate,
            "channels": self._input_channels,
            "connections": 1,
            "uptime_s": round(time.monotonic() - self._started_s, 3),
        }

    # --- what a channel says -----------------------------------------------------------------------------------------

    def open_runner(self, number: int) -> VoiceRunner:
        """The session of that channel."""
        return self._open_runner(number)

    def hear(self, number: int, event: Event) -> None:
        """Pass on what a session says."""
        if isinstance(event, Closed):
            if all(channel.runner.closed for channel in self._channels):
                self._tell_heard(reach=0)
                self._post(Closed(event.reason, self._received()))
        elif isinstance(event, Failure | Status):
            self._post(event)
        else:
            self._post(ChannelEvent(number, len(self._channels), event))  # type: ignore[arg-type]
            if isinstance(event, SpeechEnded):
                self._loop.call_soon(self._tell_heard)  # after what the session has to say with it

    def relieve(self) -> None:
        """Read on, if every channel has room."""
        if self._line is not None and not self.congested:
            self._line.relieve()

    # --- in ----------------------------------------------------------------------------------------------------------

    def _receive_audio(self, data: bytes, now: float) -> None:
        if self._closing:
            return
        self._received_bytes += len(data)
        try:
            samples = self._decoder.push(data)
        except AudioError as error:
            raise ProtocolError(str(error), code="undecodable", close_code=1008) from error
        self._take_samples(samples, now)
        self._tell_heard(step=self._tell_every)

    def _open_again(self) -> None:
        """What the client has said of itself holds for sessions to be opened: for the first ones, before its audio."""
        if self._received_bytes:
            return
        for channel in self._channels:
            channel.runner.stop()
        self._channels = [_Channel(self, channel.number) for channel in self._channels]

    def _take_samples(self, samples: NDArray[np.int16], now: float) -> None:
        self._decoded += len(samples)
        if samples.ndim == 1:
            self._channels[0].runner.receive_audio(samples, now)
            return
        self._grow(samples.shape[1])
        for channel, mine in zip(self._channels, samples.T.copy(), strict=True):
            channel.runner.receive_audio(mine, now)

    def _grow(self, channels: int) -> None:
        """A container has said how many channels it has."""
        if channels > MAX_CHANNELS_APART:
            raise ProtocolError(
                f"{channels} channels: at most {MAX_CHANNELS_APART} are heard apart",
                code="undecodable",
                close_code=1008,
            )
        self._channels += [_Channel(self, number) for number in range(len(self._channels), channels)]
        self._input_channels = channels

    def _meant(self, order: Finalize) -> list[_Channel]:
        if order.channel is None:
            return self._channels
        if not 0 <= order.channel < len(self._channels):
            raise ProtocolError(
                f"channel {order.channel}: there are channels 0..{len(self._channels) - 1}", code="invalid_field"
            )
        return [self._channels[order.channel]]

    def _close(self, now: float, reason: str) -> None:
        if self._closing:
            return
        self._closing = True
        samples, failure = flush_decoder(self._decoder)
        if failure is not None and not self._decoded:  # else the end is broken, but what came before it is heard
            self._post(Failure("undecodable", failure.message, fatal=True))
            return
        if samples is not None:
            self._take_samples(samples, now)
        for channel in self._channels:
            channel.runner.close(now, reason)

    def _received(self) -> dict[str, Any]:
        if self._frame_bytes:
            duration_s = self._received_bytes / self._frame_bytes / self._input_rate
        else:
            duration_s = self._decoded / _SESSION_RATE
        return {"duration_s": duration_s, "channels": self._input_channels if self._received_bytes else 0}

    # --- out ---------------------------------------------------------------------------------------------------------

    def _post(self, event: Event) -> None:
        if self._line is not None:
            self._line.post(event)

    def _tell_heard(self, *, step: int = 0, reach: int | None = None) -> None:
        """Say how far each channel has come, if it is `step` samples further than last said."""
        if self._reach is None or self._line is None:
            return
        reach = self._reach if reach is None else reach
        for channel in self._channels:
            if self._decoded - reach < channel.told + step:
                continue
            stats = channel.runner.stats()
            position = stats.samples - stats.waiting_samples - reach
            if position > 0 and position >= channel.told + step:
                channel.told = position
                heard = Heard(position, channel.runner.end_chance)
                self._post(ChannelEvent(channel.number, len(self._channels), heard))


class _Channel:
    """One channel: its session, and who hears it."""

    def __init__(self, station: ChannelsStation, number: int) -> None:
        self.number = number
        self.told = 0
        self._station = station
        self.runner = station.open_runner(number)
        self.runner.listener = self

    def hear(self, event: Event) -> None:
        """See `VoiceListener`."""
        self._station.hear(self.number, event)

    def relieve(self) -> None:
        """See `VoiceListener`."""
        self._station.relieve()
