from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from serving import TWO_UTTERANCES, chunks, settings_for_tests, silence, speech

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import SecuritySettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from serving import Running, Serve

PATH = "/v1/realtime?intent=transcription"
ITEM = "conversation.item.input_audio_transcription"
MANUAL = {"audio": {"input": {"turn_detection": None}}}


def wide(pcm: bytes) -> bytes:
    """16 kHz to 24 kHz, roughly: every second sample twice."""
    pairs = [pcm[i : i + 4] for i in range(0, len(pcm) - 3, 4)]
    return b"".join(pair + pair[2:] for pair in pairs)


class Talk:
    """One realtime connection as a test uses it."""

    def __init__(self, ws: Any) -> None:
        self.ws = ws
        self.heard: list[dict[str, Any]] = []

    async def say(self, kind: str, **fields: Any) -> None:
        await self.ws.send_str(json.dumps({"type": kind, **fields}))

    async def append(self, audio: bytes, size: int = 4800) -> None:
        for chunk in chunks(audio, size):
            await self.say("input_audio_buffer.append", audio=base64.b64encode(chunk).decode())

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The next message of that type, after as many."""
        while True:
            message = json.loads(await self.ws.receive_str(timeout=20))
            self.heard.append(message)
            if message["type"] == kind:
                count -= 1
                if not count:
                    return message

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.heard if message["type"].endswith(kind)]

    @property
    def transcripts(self) -> list[str]:
        """By item, in the order of the audio: those of two sessions may be completed in any order."""
        told = {message["item_id"]: message["transcript"] for message in self.of(".completed")}
        return [told[message["item_id"]] for message in self.of(".committed") if message["item_id"] in told]


@contextlib.asynccontextmanager
async def talk(server: Running, path: str = PATH, **options: Any) -> AsyncIterator[Talk]:
    async with server.connect(path, max_msg_size=0, **options) as ws:
        yield Talk(ws)


async def test_server_vad_makes_an_item_of_each_utterance(server: Running) -> None:
    async with talk(server) as it:
        await it.until("session.created")
        await it.append(wide(TWO_UTTERANCES))
        await it.until(f"{ITEM}.completed", 2)
    assert it.transcripts == ["zero one two three", "four five six"]
    starts = [message["audio_start_ms"] for message in it.of("speech_started")]
    ends = [message["audio_end_ms"] for message in it.of("speech_stopped")]
    assert 0 < starts[0] < ends[0] < starts[1] + 600
    for completed in it.of(".completed"):
        mine = [m for m in it.heard if completed["item_id"] in (m.get("item_id"), m.get("item", {}).get("id"))]
        kinds = [message["type"] for message in mine if not message["type"].endswith(".delta")]
        assert kinds == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            f"{ITEM}.completed",
        ]
        deltas = [message["delta"] for message in mine if message["type"].endswith(".delta")]
        assert "".join(deltas) == completed["transcript"]


async def test_manual_turns_are_what_lies_between_commits(server: Running) -> None:
    async with talk(server) as it:
        await it.say("session.update", session=MANUAL)
        await it.until("session.updated")
        for _ in range(2):
            await it.append(wide(TWO_UTTERANCES))
            await it.say("input_audio_buffer.commit")
        await it.until(f"{ITEM}.completed", 2)
    assert it.transcripts == ["zero one two three four five six"] * 2
    assert not it.of("speech_started")
    first, second = it.of(".committed")
    assert second["previous_item_id"] == first["item_id"]
    for message in it.of(".completed"):
        assert message["usage"]["seconds"] == pytest.approx(len(TWO_UTTERANCES) / 32_000, abs=0.05)


async def test_what_is_cleared_is_not_heard(server: Running) -> None:
    async with talk(server) as it:
        await it.say("session.update", session=MANUAL)
        await it.append(wide(speech()))
        await it.say("input_audio_buffer.clear")
        await it.until("input_audio_buffer.cleared")
        await it.append(wide(silence(0.5)))
        await it.say("input_audio_buffer.commit")
        await it.until(f"{ITEM}.completed")
        await it.say("input_audio_buffer.commit", event_id="e1")
        error = (await it.until("error"))["error"]
    assert it.transcripts == [""]
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "e1")


async def test_turns_are_told_before_their_text(serve: Serve) -> None:
    """Also the second one, while the engine still hears the first."""
    slow = ScriptedTranscriber(["one", "two"], delay_s=0.5, concurrency=1)
    async with serve(transcriber=slow) as server, talk(server) as it:
        await it.append(wide(TWO_UTTERANCES))
        await it.until(f"{ITEM}.completed", 2)
    kinds = [message["type"].rpartition(".")[2] for message in it.heard]
    assert kinds[1:11] == [*("speech_started", "speech_stopped", "committed", "added", "done")] * 2
    first, second = it.of(".committed")
    assert (first["previous_item_id"], second["previous_item_id"]) == (None, first["item_id"])
    assert it.transcripts == ["one", "two"]


async def test_a_clear_forgets_the_turn_that_goes_on_and_no_other(serve: Serve) -> None:
    slow = ScriptedTranscriber(["one", "two"], delay_s=0.3)
    async with serve(transcriber=slow) as server, talk(server) as it:
        await it.append(wide(silence(0.5) + speech() + silence(1) + speech()[:24_000]))
        await it.until("input_audio_buffer.speech_started", 2)
        await it.say("input_audio_buffer.clear")
        await it.until("input_audio_buffer.cleared")
        await it.append(wide(silence(0.5) + speech() + silence(1)))
        await it.until(f"{ITEM}.completed", 2)
    first, forgotten, last = (message["item_id"] for message in it.of("speech_started"))
    assert {message["item_id"] for message in it.of(".completed")} == {first, last}
    assert forgotten not in {message["item_id"] for message in it.of(".committed")}


async def test_a_commit_ends_a_turn_that_voice_detection_began(server: Running) -> None:
    async with talk(server) as it:
        await it.append(wide(silence(0.5) + speech()[:24_000]))
        await it.until("input_audio_buffer.speech_started")
        await it.say("input_audio_buffer.commit")
        await it.until(f"{ITEM}.completed")
        await it.append(wide(silence(0.5)))
        await it.say("input_audio_buffer.commit")  # nothing is said: an empty item
        await it.until(f"{ITEM}.completed")
    assert it.transcripts == ["zero one two three", ""]
    assert len(it.of(".committed")) == 2
    assert len({message["item_id"] for message in it.of(".completed")}) == 2


@pytest.mark.parametrize(("name", "encode"), [("audio/pcmu", 0xFF), ("audio/pcma", 0xD5)])
async def test_g711_is_taken(server: Running, name: str, encode: int) -> None:
    async with talk(server) as it:
        await it.say("session.update", session={"audio": {"input": {"format": {"type": name}, "turn_detection": None}}})
        assert (await it.until("session.updated"))["session"]["audio"]["input"]["format"] == {"type": name}
        await it.append(bytes([encode]) * 8_000)
        await it.say("input_audio_buffer.commit")
        completed = await it.until(f"{ITEM}.completed")
    assert completed["usage"]["seconds"] == pytest.approx(1.0, abs=0.01)
    assert completed["transcript"] == ""


async def test_language_and_detection_may_change_midway(server: Running) -> None:
    async with talk(server) as it:
        await it.append(wide(TWO_UTTERANCES))
        await it.say("session.update", session={"audio": {"input": {"transcription": {"language": "de"}}}})
        await it.append(wide(TWO_UTTERANCES))
        await it.say("session.update", session=MANUAL)
        await it.append(wide(TWO_UTTERANCES))
        await it.say("input_audio_buffer.commit")
        await it.until(f"{ITEM}.completed", 5)
    assert it.transcripts == ["zero one two three", "four five six"] * 2 + ["zero one two three four five six"]
    starts = [message["audio_start_ms"] for message in it.of("speech_started")]
    assert starts == sorted(starts)


async def test_errors_leave_the_session_open(server: Running) -> None:
    async with talk(server) as it:
        await it.ws.send_bytes(b"audio")
        await it.ws.send_str("no json")
        await it.say("response.create", event_id="mine")
        await it.say("session.update", session={"type": "realtime"})
        await it.until("error", 4)
        await it.append(wide(TWO_UTTERANCES))
        await it.until(f"{ITEM}.completed", 2)
    assert [message["error"]["event_id"] for message in it.of("error")] == [None, None, "mine", None]


async def test_an_append_of_fifteen_mebibytes(serve: Serve) -> None:
    """Five minutes in one message: more than other endpoints take."""
    async with serve() as server, talk(server) as it:
        audio = wide(silence(310) + speech() + silence(1))
        await it.append(audio, size=15 << 20)
        await it.until(f"{ITEM}.completed")
    assert len(audio) > 14 << 20
    assert it.transcripts[0] == "zero one two three"


async def test_an_engine_that_fails_fails_the_item(serve: Serve) -> None:
    async with serve(transcriber=ScriptedTranscriber(["one"], fails=lambda job: True)) as server, talk(server) as it:
        await it.append(wide(silence(0.5) + speech() + silence(1)))
        failed = await it.until(f"{ITEM}.failed")
    assert failed["error"]["type"] == "server_error"


async def test_models_and_places_are_checked_before_the_upgrade(serve: Serve) -> None:
    async with serve(max_streams=1) as server:
        status, error = await server.refusal("/v1/realtime?model=no-such")
        assert (status, error["code"]) == (404, "model_not_found")
        async with talk(server, "/v1/realtime?model=gpt-realtime") as it:
            await it.until("session.created")
            status, error = await server.refusal(PATH)
            assert (status, error["type"]) == (503, "server_error")
        await server.empty()


async def test_keys_by_subprotocol_and_the_older_shape(serve: Serve) -> None:
    async with serve(security=SecuritySettings(api_keys=("right",))) as server:
        offered = ("realtime", "openai-insecure-api-key.right", "openai-beta.realtime-v1")
        async with talk(server, protocols=offered) as it:
            assert it.ws.protocol == "realtime"
            await it.until("transcription_session.created")
            await it.append(wide(TWO_UTTERANCES))
            await it.until("conversation.item.created", 2)
        wrong = {"Sec-WebSocket-Protocol": "realtime, openai-insecure-api-key.wrong"}
        status, error = await server.refusal(PATH, headers=wrong)
        assert (status, error["code"]) == (401, "invalid_api_key")


async def test_a_server_that_goes_down_answers_first(serve: Serve) -> None:
    async with serve() as server:
        async with talk(server) as it:
            await it.append(wide(silence(0.5) + speech()))
            await it.until("input_audio_buffer.speech_started")
            for connection in list(server.services.registry.connections):
                connection.finish()
            await it.until(f"{ITEM}.completed")
            assert (await it.ws.receive(timeout=5)).data == 1012
        await server.empty()


async def test_many_commits_do_not_pile_up_sessions(serve: Serve) -> None:
    engine = ScriptedTranscriber(["one"], delay_s=0.02, concurrency=1)
    async with serve(settings_for_tests(), engine) as server, talk(server) as it:
        await it.say("session.update", session=MANUAL)

        async def feed() -> None:
            for _ in range(30):
                await it.append(wide(silence(0.2) + speech()))
                await it.say("input_audio_buffer.commit")

        feeding = asyncio.create_task(feed())
        await it.until(f"{ITEM}.completed", 30)
        await feeding
    assert it.transcripts == ["one"] * 30
    assert len({message["item_id"] for message in it.of(".completed")}) == 30
