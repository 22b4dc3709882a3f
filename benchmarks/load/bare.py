"""The least a WebSocket server of audio can do: aiohttp on uvloop, each message copied into a ring, and told so.

    python bare.py REPLY_MS        prints "ready PORT"; REPLY_MS = 0: nothing is told, 100: once in 100 ms of audio

Every server of this kind built on aiohttp pays this; what ours takes beyond it is what it does with the audio.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys

import uvloop
from aiohttp import WSMsgType, web

RING_BYTES = 32_768
BYTES_PER_MS = 32


async def listen(request: web.Request) -> web.WebSocketResponse:
    """Copy audio, answer pings."""
    socket = web.WebSocketResponse(compress=False, heartbeat=20.0, max_msg_size=1 << 20)
    await socket.prepare(request)
    reply_bytes = request.app[REPLY_MS] * BYTES_PER_MS
    ring, at, received, told = bytearray(RING_BYTES), 0, 0, 0
    async for message in socket:
        data = message.data
        if message.type is WSMsgType.BINARY:
            size = len(data)
            if at + size > RING_BYTES:
                at = 0
            ring[at : at + size] = data
            at += size
            received += size
            if reply_bytes and received - told >= reply_bytes:
                told = received
                await socket.send_str(json.dumps({"type": "ack", "received": received // 2}))
        elif message.type is WSMsgType.TEXT and json.loads(data)["type"] == "ping":
            await socket.send_str('{"type":"pong"}')
    return socket


REPLY_MS: web.AppKey[int] = web.AppKey("reply_ms", int)


async def main() -> None:
    """Serve on a free port until killed."""
    app = web.Application()
    app[REPLY_MS] = int(sys.argv[1])
    app.router.add_get("/{path:.*}", listen)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    gc.collect()
    gc.freeze()
    print("ready", runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
