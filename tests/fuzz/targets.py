"""What takes bytes from strangers, each as a function of bytes that raises only if something is wrong with it.

Errors of fastring's own tree and refusals (`Problem`) are right answers. Where a stream may be cut anywhere, a target
compares cut with whole. Some inputs begin with a byte or two that choose settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from unittest import mock
from urllib.parse import parse_qsl

import structlog
from aiohttp import MultipartReader, WebSocketError
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from multidict import CIMultiDict, MultiDict

from fastring.asr.transcriber import Capabilities
from fastring.audio.container import ContainerDecoder
from fastring.audio.wav import is_wav, read_wav_head
from fastring.config import EndpointSettings, SecuritySettings, ServerSettings, Settings
from fastring.errors import FastringError, ProtocolError
from fastring.events import Audio, Endpointing
from fastring.protocols.deepgram import DeepgramCodec
from fastring.protocols.deepgram_flux import FluxCodec
from fastring.protocols.deepgram_results import ModelInfo
from fastring.protocols.native import SAMPLE_BYTES, NativeCodec
from fastring.protocols.native_sources import SourcesCodec
from fastring.protocols.openai_realtime import RealtimeCodec
from fastring.protocols.openai_session import RealtimeSession
from fastring.protocols.openai_vad import endpoint_for
from fastring.protocols.vosk import VoskCodec
from fastring.protocols.whisper_live import WhisperLiveCodec
from fastring.protocols.wyoming import WyomingCodec, info_of
from fastring.server import frame_guard
from fastring.server.auth import Gate
from fastring.server.endpoints.deepgram_flux import FluxOptions
from fastring.server.endpoints.deepgram_options import ListenOptions, endpoint_settings
from fastring.server.endpoints.openai_form import read_form
from fastring.server.keys import KeyRing
from fastring.server.options import AudioOptions, Query, stream_id_of
from fastring.server.problems import Problem
from fastring.server.short_lived_keys import ShortLivedKeys
from fastring.server.tokens import ResumeTokens
from fastring.server.uploads import UploadPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["TARGETS"]

BETWEEN: Final = b"\xff\xff"  # between two messages of an input; what begins with \x00 is binary
_ENCODINGS: Final = tuple(SAMPLE_BYTES)
_SERVICES: Any = SimpleNamespace(
    settings=Settings(), capabilities=Capabilities("e", "m", 16_000, languages=("en", "de"))
)
_LOOP: Final = asyncio.new_event_loop()
logging.disable(logging.CRITICAL)
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def _messages(data: bytes) -> Iterator[str | bytes]:
    for piece in data.split(BETWEEN):
        yield piece[1:] if piece[:1] == b"\0" else piece.decode("utf-8", "ignore")


def _talk(codec: Any, data: bytes) -> list[Any]:
    commands: list[Any] = []
    for message in _messages(data):
        with contextlib.suppress(FastringError):
            commands += codec.decode(message)
    for command in commands:  # what is answered must be something that can be written
        if type(command) in codec.ENCODED:
            codec.encode(command)
    return commands


def native(data: bytes) -> None:
    """Our own protocol, every encoding."""
    encoding, options = _ENCODINGS[(data[:1] or b"\0")[0] % len(_ENCODINGS)], (data[1:2] or b"\0")[0]
    channels = 1 + (options & 7)
    framing = "seq32" if options & 8 else "raw"
    codec = NativeCodec("s", encoding=encoding, channels=channels, framing=framing, max_message_bytes=4096)
    for command in _talk(codec, data[2:]):
        if isinstance(command, Audio):
            assert len(command.data) % max(1, SAMPLE_BYTES[encoding] * channels) == 0


def sources(data: bytes) -> None:
    """The same with several sources."""
    _talk(SourcesCodec("s", max_sources=3, max_message_bytes=4096), data)


def deepgram(data: bytes) -> None:
    """Deepgram's live protocol."""
    _talk(DeepgramCodec("id", created="now", model=ModelInfo("m", "1", "e"), max_message_bytes=4096), data)


def flux(data: bytes) -> None:
    """Deepgram's turn-based protocol: every order to wait longer is one that can be kept."""
    for command in _talk(FluxCodec("id", max_message_bytes=4096), data):
        if isinstance(command, Endpointing):
            assert 100 <= command.silence_ms <= 4 * 60_000
            assert 500 <= (command.timeout_ms or 0) <= 60_000


def realtime(data: bytes) -> None:
    """OpenAI's realtime protocol, and the settings that come out of it."""
    session = RealtimeSession(
        "sess_1",
        expires_at=1,
        endpoint=EndpointSettings(),
        model="m",
        knows_model=lambda name: name in ("m", "whisper-1"),
        languages=("en", "de"),
    )
    count = iter(range(1 << 30))
    codec = RealtimeCodec(session, new_id=lambda prefix: f"{prefix}_{next(count)}", old=data[:1] == b"\1")
    codec.created(transcription=True)
    _talk(codec, data[1:])
    list(codec.decode_slices(bytearray(data[1:])))  # as if each were of many megabytes
    session.settings()


def vosk(data: bytes) -> None:
    """vosk-server's protocol."""
    _talk(VoskCodec(max_message_bytes=4096), data)


def whisper_live(data: bytes) -> None:
    """WhisperLive's protocol."""
    _talk(WhisperLiveCodec(max_message_bytes=4096), data)


def wyoming(data: bytes) -> None:
    """Home Assistant's protocol: a stream of bytes, which may be cut anywhere."""
    cut = (data[:1] or b"\1")[0] % 32 + 1
    whole, pieces = _wyoming([data[1:]]), _wyoming([data[at : at + cut] for at in range(1, len(data), cut)])
    assert pieces[: len(whole)] == whole


def _wyoming(pieces: list[bytes]) -> list[str]:
    codec = WyomingCodec(info_of("m", ("en",), "1"), max_payload_bytes=4096)
    commands: list[Any] = []
    try:
        for piece in pieces:
            commands += codec.decode(piece)
    except ProtocolError:
        pass  # the connection ends
    return [repr(command) for command in commands]


def query(data: bytes) -> None:
    """What stands behind the ? of our own paths, and of Deepgram's."""
    asked = MultiDict(parse_qsl(data.decode("latin-1"), keep_blank_values=True))
    with contextlib.suppress(Problem, FastringError):
        parameters = Query.once(asked)
        AudioOptions.read(parameters, AudioOptions())
        parameters.decimal("update_hz", 1, 100, 10)
        parameters.flag("interim", True)
        stream_id_of(asked.get("stream_id", "x"))
    with contextlib.suppress(Problem, FastringError):
        options = ListenOptions.read(_SERVICES, asked)
        options.live(endpoint_settings(options, EndpointSettings()))
    with contextlib.suppress(Problem, FastringError):
        FluxOptions.read(_SERVICES, asked).thresholds.endpointing(256)


def form(data: bytes) -> None:
    """OpenAI's upload, with `b` as the boundary."""
    with contextlib.suppress(Problem, FastringError):
        read = _LOOP.run_until_complete(_form(data))
        endpoint_for(read.vad, EndpointSettings())


async def _form(data: bytes) -> Any:
    body = StreamReader(BaseProtocol(_LOOP), 1 << 16, loop=_LOOP)
    body.feed_data(data)
    body.feed_eof()
    headers = CIMultiDict({"Content-Type": "multipart/form-data; boundary=b"})

    async def multipart() -> MultipartReader:
        return MultipartReader(headers, body)

    request: Any = SimpleNamespace(content_type="multipart/form-data", multipart=multipart)
    return await read_form(request, UploadPlace(_SERVICES, request))


def frames(data: bytes) -> None:
    """WebSocket frames: the guard and aiohttp's parser behind it, cut and whole; what is long here is so already."""
    cut = (data[:1] or b"\1")[0] % 32 + 1
    pieces = [data[at : at + cut] for at in range(1, len(data), cut)]
    with mock.patch.object(frame_guard, "_LONG_BYTES", 300):
        assert _LOOP.run_until_complete(_frames([data[1:]])) == _LOOP.run_until_complete(_frames(pieces))


async def _frames(pieces: list[bytes]) -> tuple[list[str], bool]:
    wire = BaseProtocol(_LOOP)
    wire._upgraded = True
    queue = WebSocketDataQueue(wire, 1 << 16, loop=_LOOP)
    refused: list[WebSocketError] = []
    reader = WebSocketReader(queue, 4096, False, True)
    guard = frame_guard.FrameGuard(reader, refused.append, queue._buffer, longest=4095, wire=wire)
    heard = []
    for piece in pieces:
        guard.feed_data(piece)
    while guard._late or guard._waits or queue._buffer:  # many tiny frames take several turns
        while queue._buffer:
            heard.append(repr(guard.read(await queue.read())))
        await asyncio.sleep(0)
    return heard, guard.broken


def wav(data: bytes) -> None:
    """The head of a WAV: what is read of a part must be read of the whole."""
    is_wav(data)
    head = read_wav_head(data)
    if head is not None and head.format is not None:
        assert 0 < head.size <= len(data)


def container(data: bytes) -> None:
    """Whatever FFmpeg reads, and whatever it does not."""
    decoder = ContainerDecoder(max_burst_s=1.0)
    with contextlib.suppress(FastringError):
        for at in range(0, len(data), 700):
            decoder.push(data[at : at + 700])
        decoder.flush()
    decoder.close()


_FOLDER: Final = tempfile.TemporaryDirectory(prefix="fuzz-")
_KEYS: Final = Path(_FOLDER.name) / "keys"


def keys(data: bytes) -> None:
    """A file of API keys."""
    _KEYS.write_bytes(data)
    with contextlib.suppress(FastringError):
        KeyRing(SecuritySettings(api_keys_file=str(_KEYS))).owner("key")


_TOKENS: Final = ResumeTokens(b"secret")
_SHORT_LIVED: Final = ShortLivedKeys("secret")


def tokens(data: bytes) -> None:
    """A resume token, or a short-lived key; nobody has signed these."""
    text = data.decode("utf-8", "surrogateescape")
    assert _TOKENS.read(text) is None
    assert _SHORT_LIVED.read(text) is None


_GATES: Final = (
    Gate(SecuritySettings(api_keys=("key",)), ServerSettings()),
    Gate(SecuritySettings(allowed_origins=("https://a.example",)), ServerSettings()),
)


def headers(data: bytes) -> None:
    """Who comes from where: the headers that are looked at before anything else."""
    names = ("Host", "Origin", "Authorization", "Sec-WebSocket-Protocol")
    values = data.decode("utf-8", "surrogateescape").split("\n")
    told = CIMultiDict(zip(names, values, strict=False))
    for gate in _GATES:
        with contextlib.suppress(Problem):
            gate.check_origin(told)
        with contextlib.suppress(Problem):
            gate.visitor(told, "openai", 0.0)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (
        *(native, sources, deepgram, flux, realtime, vosk, whisper_live, wyoming),
        *(query, form, frames, wav, container, keys, tokens, headers),
    )
}
