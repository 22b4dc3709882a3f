from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import TYPE_CHECKING

import pytest
import tone_language
from deepgram_peer import KEY, DeepgramPeer, Fault, settings_for

from fastring.asr.deepgram.connection import open_connection, tls_context
from fastring.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from typing import Any

    from fastring.asr.deepgram.connection import Connection

    Dial = Callable[..., Awaitable[Connection]]

AUDIO = tone_language.say(["bana bapo", 0.3]).tobytes()


@pytest.fixture
def peer() -> Iterator[DeepgramPeer]:
    with DeepgramPeer(tone_language.hear) as running:
        yield running


@pytest.fixture
async def dial(peer: DeepgramPeer) -> AsyncIterator[Callable[..., Awaitable[Connection]]]:
    """Opens connections, and hangs up whatever is open in the end."""
    opened = []

    async def open_one(language: str = "", **settings: Any) -> Connection:
        opened.append(await open_connection(settings_for(peer, **settings), language))
        return opened[-1]

    yield open_one
    for connection in opened:
        await connection.abort()


async def until(condition: object, within_s: float = 3.0) -> None:
    end = time.monotonic() + within_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.005)


async def test_results_come_as_they_are_said(peer: DeepgramPeer, dial: Dial) -> None:
    connection = await dial("en")
    results = []
    connection.on_result = lambda _connection, result: results.append(result)
    await connection.send(AUDIO)
    assert await connection.wait_for(lambda: bool(results), 2.0)
    assert [word.text for word in results[0].words] == ["bana", "bapo"]
    assert connection.position == len(AUDIO) // 2
    assert peer.handshakes[0]["language"] == "en"
    await connection.close()
    assert peer.commands == ["CloseStream"]
    await until(lambda: peer.closes == [1000])


@pytest.mark.parametrize(
    ("status", "reason", "passing"),
    [(400, "refused", False), (402, "refused", False), (429, "busy", True), (503, "busy", True), (500, "broken", True)],
)
async def test_a_refusal_before_the_upgrade(peer: DeepgramPeer, status: int, reason: str, passing: bool) -> None:
    peer.live, peer.retry_after = status, "3"
    with pytest.raises(EngineUnavailableError, match=f"HTTP {status}: 'as the test wants it'") as caught:
        await open_connection(settings_for(peer), "")
    assert (caught.value.reason, caught.value.passing, caught.value.retry_after_s) == (reason, passing, 3.0)


async def test_a_wrong_key_is_refused_and_never_told(peer: DeepgramPeer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(EngineUnavailableError, match="DEEPGRAM_API_KEY") as caught:
        await open_connection(settings_for(peer, api_key="wr0ng-key"), "")
    assert caught.value.reason == "refused"
    assert "wr0ng-key" not in str(caught.value) + caplog.text


async def test_the_key_is_never_logged(peer: DeepgramPeer, dial: Dial, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    connection = await dial()
    await connection.send(AUDIO)
    await connection.close()
    assert KEY not in caplog.text


async def test_a_service_that_does_not_answer(peer: DeepgramPeer) -> None:
    peer.live = "stall"
    begun = time.monotonic()
    with pytest.raises(EngineUnavailableError, match=r"within 0\.2 s") as caught:
        await open_connection(settings_for(peer, timeout_s=0.2), "")
    assert caught.value.reason == "timeout"
    assert time.monotonic() - begun < 1.5


async def test_nobody_is_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with DeepgramPeer(tone_language.hear) as peer:
            settings = settings_for(peer, base_url=f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(EngineUnavailableError, match="cannot be reached") as caught:
            await open_connection(settings, "")
    assert (caught.value.reason, caught.value.passing) == ("unreachable", True)


@pytest.mark.parametrize(
    ("code", "reason", "passing"),
    [(1008, "DATA-0000", False), (1011, "NET-0000", True), (1011, "NET-0001", True), (1012, "", True)],
)
async def test_hanging_up_tells_the_code(peer: DeepgramPeer, dial: Dial, code: int, reason: str, passing: bool) -> None:
    peer.fault = Fault("close", 0, code=code, reason=reason)
    connection = await dial()
    await connection.send(AUDIO)
    with pytest.raises(EngineUnavailableError, match=f"{code} '{reason}'") as caught:
        await connection.wait_for(lambda: False, 2.0)
    assert (caught.value.reason, caught.value.passing) == ("closed", passing)
    with pytest.raises(EngineUnavailableError):
        await connection.send(AUDIO)


async def test_a_cut_is_noticed(peer: DeepgramPeer, dial: Dial) -> None:
    peer.fault = Fault("cut", 0)
    connection = await dial()
    await connection.send(AUDIO)
    with pytest.raises(EngineUnavailableError, match="1006"):
        await connection.wait_for(lambda: False, 2.0)
    assert connection.lost is not None


async def test_silence_is_measured_from_the_first_audio_that_is_not_answered(peer: DeepgramPeer, dial: Dial) -> None:
    peer.fault = Fault("stall", 0)
    connection = await dial()
    assert connection.silent_s == 0.0
    await connection.send(AUDIO)
    assert not await connection.wait_for(lambda: False, 0.05)
    assert connection.silent_s >= 0.05
    await connection.abort()


async def test_a_peer_that_reads_no_more_is_no_trap(peer: DeepgramPeer, dial: Dial) -> None:
    peer.fault = Fault("stall", 0)
    connection = await dial(timeout_s=0.2)

    async def flood() -> None:
        while True:
            await connection.send(bytes(64_000))

    with pytest.raises(EngineUnavailableError, match="takes no more audio") as caught:
        await flood()
    assert caught.value.reason == "timeout"
    await connection.abort()


async def test_signs_of_life_while_nobody_speaks(peer: DeepgramPeer, dial: Dial) -> None:
    peer.idle_s = 0.3
    connection = await dial(keepalive_s=0.05)
    await asyncio.sleep(0.5)
    assert connection.lost is None
    assert peer.commands.count("KeepAlive") >= 5
    await connection.close()


async def test_without_them_the_service_hangs_up(peer: DeepgramPeer, dial: Dial) -> None:
    peer.idle_s = 0.1
    connection = await dial(keepalive_s=9.0)
    with pytest.raises(EngineUnavailableError, match="NET-0001"):
        await connection.wait_for(lambda: False, 2.0)


async def test_a_connection_that_nobody_needs_is_closed(peer: DeepgramPeer, dial: Dial) -> None:
    connection = await dial(keepalive_s=0.05, idle_s=0.12)
    connection.busy = True
    await asyncio.sleep(0.2)
    assert connection.lost is None
    connection.rest()
    await until(lambda: peer.closes == [1000])
    assert peer.commands[-1] == "CloseStream"
    await until(lambda: connection.lost is not None)


async def test_closing_a_peer_that_is_dead_does_not_wait_long(peer: DeepgramPeer, dial: Dial) -> None:
    peer.fault = Fault("stall", 0)
    connection = await dial()
    await connection.send(AUDIO)
    begun = time.monotonic()
    await connection.close()
    assert time.monotonic() - begun < 2.0


async def test_the_certificates_are_read_once_and_wanted(peer: DeepgramPeer) -> None:
    assert tls_context() is tls_context()
    assert tls_context().check_hostname
    secure = settings_for(peer, base_url=peer.url.replace("http:", "https:"))
    with pytest.raises(EngineUnavailableError, match="cannot be reached"):
        await open_connection(secure, "")
