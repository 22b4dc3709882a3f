"""One WebSocket of the native protocol, as it is: audio goes out, messages come in; what is lost with it is lost."""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode

import numpy as np
from numpy.typing import NDArray

from fastring.errors import ConfigError, FastringError, ProtocolError

__all__ = ["ClientStream", "Endpoint", "Message", "address_of", "connect", "headers_of", "nobody_at", "refusal"]

Endpoint = Literal["voice", "audio", "control"]
Message = dict[str, Any]

_SCHEMES = ("http://", "https://", "ws://", "wss://")


class ClientStream:
    """One open stream. Iterate over it for the server's messages; send from another task while you do.

    `async for message in stream` gives every message as a dict, in order, and ends when the server has closed. Messages
    are those of the native protocol, for example `{"type": "partial", "text": ...}`.
    """

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def send(self, audio: bytes | NDArray[np.int16] | NDArray[np.float32]) -> None:
        """Send audio in the encoding that was declared; an array goes out as its little-endian bytes.

        Waits while the server is slower than the sender.

        Raises:
            FastringError: the server has gone.
        """
        data = audio if isinstance(audio, bytes) else audio.astype(audio.dtype.newbyteorder("<"), copy=False).tobytes()
        await self._sent(self._socket.send_bytes(data))

    async def command(self, kind: str, **fields: Any) -> None:
        """Send a JSON message, for example `command("finalize")`.

        Raises:
            FastringError: the server has gone.
        """
        await self._sent(self._socket.send_str(json.dumps({"type": kind, **fields})))

    async def finalize(self) -> None:
        """End the utterance now; its final follows."""
        await self.command("finalize")

    async def close(self) -> None:
        """Say that no audio follows. The rest of the messages still comes, `closed` the last; then the stream ends."""
        await self.command("close")

    async def receive(self) -> Message:
        """The next message.

        Raises:
            FastringError: the server closed the stream.
        """
        async for message in self:
            return message
        raise FastringError(f"the server closed the stream with code {self._socket.close_code}")

    async def __aiter__(self) -> AsyncIterator[Message]:
        async for frame in self._socket:
            if frame.type.name == "TEXT":
                yield json.loads(frame.data)

    async def _sent(self, sending: Any) -> None:
        try:
            await sending
        except (ConnectionError, RuntimeError) as error:
            raise FastringError(f"the server has gone: {error}") from error


@contextlib.asynccontextmanager
async def connect(
    url: str, stream_id: str, endpoint: Endpoint = "voice", *, api_key: str = "", **parameters: str | float
) -> AsyncIterator[ClientStream]:
    """Open a stream on a fastring server.

        async with connect("http://127.0.0.1:8000", "mic") as stream:
            await stream.send(pcm16)
            await stream.close()
            async for message in stream:
                print(message)

    Args:
        url: of the server, http or https.
        stream_id: name of the stream, `[A-Za-z0-9._-]{1,128}`.
        endpoint: voice (transcripts; 16 kHz mono PCM16 unless declared otherwise), audio (analysis; 44.1 kHz mono
            float32) or control.
        api_key: sent as a bearer token, if not empty.
        parameters: of the endpoint: `sample_rate`, `encoding`, `channels`, `update_hz`, `language`, ...

    Raises:
        ConfigError: the address has no scheme.
        ProtocolError: the server refused the stream; the message says why.
        FastringError: there is no server at `url`.
        ModuleNotFoundError: aiohttp is not installed: `pip install "fastring[server]"`.
    """
    import aiohttp

    address = address_of(url, stream_id, endpoint, parameters)
    async with aiohttp.ClientSession(headers=headers_of(api_key)) as session:
        try:
            socket = await session.ws_connect(address, max_msg_size=0)
        except aiohttp.WSServerHandshakeError as error:
            raise ProtocolError(await refusal(session, address, error.status)) from error
        except aiohttp.ClientError as error:
            raise FastringError(nobody_at(url, error)) from error
        async with socket:
            yield ClientStream(socket)


def address_of(url: str, stream_id: str, endpoint: Endpoint, parameters: Mapping[str, str | float]) -> str:
    """Where a stream of that name is on a server.

    Raises:
        ConfigError: the server's address has no scheme.
    """
    if not url.startswith(_SCHEMES):
        raise ConfigError(f"url = {url!r}: must begin with {', '.join(_SCHEMES)}, for example http://127.0.0.1:8000")
    path = f"/api/v1/stream/{endpoint}/{quote(stream_id, safe='')}"
    return f"{url.rstrip('/')}{path}?{urlencode(parameters)}"


def headers_of(api_key: str) -> dict[str, str]:
    """What presents the key."""
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


async def refusal(session: Any, address: str, status: int) -> str:
    """Why an upgrade was refused: a plain request to the same address is answered with the same error, and its text."""
    with contextlib.suppress(Exception):
        async with session.get(address) as answer:
            if answer.status == status:
                return f"HTTP {status}: {(await answer.json())['error']['message']}"
    return f"HTTP {status}"


def nobody_at(url: str, error: Exception) -> str:
    """What to say where no connection could be made."""
    if getattr(error, "errno", None) == errno.ECONNREFUSED:
        return f"no server at {url}: nobody listens there; `fastring serve` starts one"
    return f"no server at {url}: {error}"
