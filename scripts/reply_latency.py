"""How soon a language model answers, from the last word to the first token, with early triggers and without.

    python scripts/reply_latency.py [--token-ms 300] [--silence-ms 256 700] [--rounds 2]

A real server with the model of digits hears the recordings that ship with fastring, in real time over a WebSocket; a
chat service of OpenAI's protocol on another port sends a token every `--token-ms`. Where words end is in the index of
the recordings. Only replies that the final confirmed count.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import time
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp  # noqa: TID251 - a client like any other
import numpy as np
import structlog
from aiohttp import web  # noqa: TID251

from fastring.asr.whisper import WhisperTranscriber
from fastring.config import AsrSettings, EndpointSettings, RepliesSettings, ServerSettings, Settings, VoiceSettings
from fastring.recordings import recording
from fastring.server.app import build_app
from fastring.server.run import make_runner

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from chat_service import chat_service

RATE = 16_000
CHUNK_S = 0.04
QUIET_S = 1.5  # after each recording
NAMES = ("seen_8", "seen_2", "unseen_2", "seen_1", "seen_0")


@dataclass
class Talk:
    """One conversation: what was said, what came back when, and how many requests the service was asked."""

    said_until: list[float] = field(default_factory=list)
    messages: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    began_s: float = 0.0
    asked: int = 0

    def waits_ms(self) -> list[float]:
        """From the last word of each utterance to the first token of the reply that stood."""
        ends: dict[int, float] = {}
        firsts: dict[int, float] = {}
        waits = []
        for at_s, message in self.messages:
            kind = message["type"]
            if kind == "final" and message["words"]:
                ends[message["utterance"]] = self.began_s + self._last_word_s(message)
            elif kind == "reply_delta":
                firsts.setdefault(message["reply_id"], at_s)
            elif kind == "reply_done" and message["reason"] in ("stop", "replaced"):
                first_s, end_s = firsts.get(message["reply_id"]), ends.get(message["utterance"])
                waits += [1000 * (first_s - end_s)] if first_s is not None and end_s is not None else []
        return waits

    def _last_word_s(self, final: dict[str, Any]) -> float:
        """When the last word of a final was over, by the index of the recordings."""
        return min(self.said_until, key=lambda end_s: abs(end_s - final["end"]))


def speech() -> tuple[bytes, list[float]]:
    """PCM16 of the recordings with quiet after each, and the second in it at which each word ends."""
    parts, ends, at_s = [], [], 0.0
    for name in NAMES:
        item = recording(name)
        with wave.open(str(item.path)) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        ends += [at_s + word.end_s for word in item.words]
        parts += [pcm, np.zeros(round(QUIET_S * RATE), np.int16)]
        at_s += len(pcm) / RATE + QUIET_S
    return np.concatenate(parts).tobytes(), ends


async def converse(*, early: bool, token_s: float, silence_ms: int) -> Talk:
    """Say it all to a server that runs for this."""
    engine = WhisperTranscriber(AsrSettings(model="digits", workers=1, threads=1))
    async with chat_service(reply=("yes",) * 3, between_s=token_s) as service:
        settings = Settings(
            server=ServerSettings(port=0),
            endpoint=EndpointSettings(trailing_silence_ms=silence_ms),
            voice=VoiceSettings(early_triggers=early),
            replies=RepliesSettings(base_url=service.url),
        )
        runner = make_runner(build_app(settings, engine), settings.server)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            talk = await _talk(f"http://127.0.0.1:{runner.addresses[0][1]}")
        finally:
            await runner.cleanup()
        talk.asked = len(service.requests)
        return talk


async def _talk(url: str) -> Talk:
    pcm, ends = speech()
    talk = Talk(ends)
    step = 2 * round(CHUNK_S * RATE)
    async with aiohttp.ClientSession() as client, client.ws_connect(f"{url}/api/v1/stream/voice/reply") as socket:
        talk.messages.append((time.monotonic(), await socket.receive_json()))

        async def read() -> None:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    talk.messages.append((time.monotonic(), message.json()))

        reading = asyncio.create_task(read())
        talk.began_s = time.monotonic()
        for number, start in enumerate(range(0, len(pcm), step)):
            await asyncio.sleep(talk.began_s + (number + 1) * CHUNK_S - time.monotonic())
            await socket.send_bytes(pcm[start : start + step])
        await asyncio.sleep(1.0)
        await socket.send_str('{"type":"close"}')
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(reading, 10)
    return talk


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--token-ms", type=int, default=300)
    parser.add_argument("--silence-ms", type=int, nargs="+", default=[256, 700])
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print("| `endpoint.trailing_silence_ms` | triggers | last word to first token, median (p90) | replies | asked |")
    print("|---|---|---|---|---|")
    for silence_ms in arguments.silence_ms:
        waits: dict[bool, list[float]] = {False: [], True: []}
        asked = {False: 0, True: 0}
        for _ in range(arguments.rounds):
            for early in waits:  # in turns, so that both meet the same machine
                talk = asyncio.run(converse(early=early, token_s=arguments.token_ms / 1000, silence_ms=silence_ms))
                waits[early] += talk.waits_ms()
                asked[early] += talk.asked
        for early, found in waits.items():
            median, p90 = np.percentile(found, [50, 90])
            name = "on" if early else "off"
            print(
                f"| {silence_ms} | {name} | {median:.0f} ({p90:.0f}) ms | {len(found)} | {asked[early]} |", flush=True
            )


if __name__ == "__main__":
    main()
