from __future__ import annotations

import asyncio
import io
import time
from typing import TYPE_CHECKING

import pytest
from raw_websocket import RawSocket
from serving import BASE, serving

from fastring.config import SecuritySettings, ServerSettings
from fastring.errors import ConfigError
from fastring.server.keys import Allowance, Budget, KeyRing, Quota
from fastring.server.logs import configure_logging
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from serving import Running

KEYS = SecuritySettings(api_keys=("alpha-key", "beta-key"))


def test_owners_are_told_apart_without_showing_the_key() -> None:
    ring = KeyRing(KEYS)
    alpha, beta = ring.owner("alpha-key"), ring.owner("beta-key")
    assert alpha
    assert beta
    assert alpha != beta
    assert "alpha" not in alpha
    assert ring.owner("alpha-ke") is None


def test_keys_come_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# staff\n\nfirst-key \nsecond-key\n")
    ring = KeyRing(SecuritySettings(api_keys_file=str(path)))
    assert len(ring) == 2
    assert ring.owner("first-key")
    with pytest.raises(ConfigError, match="nowhere"):
        KeyRing(SecuritySettings(api_keys_file=str(tmp_path / "nowhere")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def ring_of(path: Path, text: str, **common: int) -> KeyRing:
    path.write_text(text)
    return KeyRing(SecuritySettings(api_keys_file=str(path), **common))  # type: ignore[arg-type]


def test_each_line_may_say_what_its_key_may_use(path: Path) -> None:
    ring = ring_of(path, "a streams=2\nb bytes_per_second=64000 streams=0\nc\n", max_streams_per_key=9)
    quotas = ring.quotas()
    assert [quotas[str(ring.owner(key))] for key in "abc"] == [Quota(2, 0), Quota(0, 64_000), Quota(9, 0)]


@pytest.mark.parametrize(
    "line", ["key streams", "key streams=-1", "key rate=4", "key half-a-secret", "key streams=1e9"]
)
def test_a_line_that_says_something_else_is_told_without_the_key(path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match="line 2") as caught:
        ring_of(path, "# comment\n" + line)
    assert "key " not in str(caught.value).partition("line 2")[2].replace("the key may", "")
    assert "secret" not in str(caught.value)


def test_a_changed_file_is_read_again(path: Path) -> None:
    ring = ring_of(path, "old\n")
    assert not ring.refresh()
    path.write_text("new streams=1\nold\n")
    assert ring.refresh()
    assert ring.owner("new")
    path.write_text("new streams=1\n")
    assert ring.refresh()
    assert ring.owner("old") is None


@pytest.mark.parametrize("text", ["key nonsense\n", "", "# none\n", "\udcff", None])
def test_a_file_that_will_not_do_changes_nothing(path: Path, text: str | None) -> None:
    ring = ring_of(path, "key\n")
    if text is None:
        path.unlink()
    else:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert not ring.refresh()
    assert ring.owner("key")


def test_a_budget_is_a_steady_rate_with_two_seconds_saved_up() -> None:
    budget = Budget()
    assert budget.spend(2000, 1000, 0.0) == 0
    assert budget.spend(500, 1000, 0.0) == pytest.approx(0.5)
    assert budget.spend(500, 1000, 0.5) == pytest.approx(0.5)
    assert budget.spend(0, 1000, 10.0) == 0
    assert budget.spend(2000, 1000, 10.0) == 0


def test_connections_are_counted_by_key(path: Path) -> None:
    ring = ring_of(path, "a streams=2\nb\n")
    allowance, a = Allowance(ring), str(ring.owner("a"))
    allowance.enter(a)
    allowance.enter(a)
    with pytest.raises(Problem) as caught:
        allowance.enter(a)
    assert caught.value.status == 503
    assert int(caught.value.headers["Retry-After"]) > 0
    allowance.leave(a)
    allowance.enter(a)
    for _ in range(5):
        allowance.enter(str(ring.owner("b")))
        allowance.enter("")


def write(path: Path, text: str) -> None:
    path.write_text(text)


def bearer(key: str) -> dict[str, dict[str, str]]:
    return {"headers": {"Authorization": f"Bearer {key}"}}


async def test_a_key_that_is_taken_away_ends_its_connections_and_no_others(path: Path) -> None:
    write(path, "one\ntwo\n")
    async with serving(security=SecuritySettings(api_keys_file=str(path))) as server:
        first = await server.connect(BASE + "voice/a", **bearer("one"))
        second = await server.connect(BASE + "voice/b", **bearer("two"))
        write(path, "two\nthree\n")
        while (await first.receive(timeout=5)).type.name == "TEXT":
            pass
        assert first.close_code == 1008
        assert (await server.refusal(BASE + "voice/a", **bearer("one")))[0] == 401
        await second.receive_json()
        await second.send_str('{"type":"ping"}')
        assert (await second.receive_json(timeout=5))["type"] == "pong"
        async with server.connect(BASE + "voice/c", **bearer("three")) as third:
            await third.receive_json()
        await second.close()


async def test_a_key_has_so_many_streams_and_no_more(path: Path) -> None:
    write(path, "one streams=1\ntwo\n")
    async with serving(security=SecuritySettings(api_keys_file=str(path))) as server:
        async with server.connect(BASE + "audio/a", **bearer("one")) as ws:
            await ws.receive_json()
            status, error = await server.refusal(BASE + "audio/b", **bearer("one"))
            assert (status, error["code"]) == (503, "too_many_streams")
            async with server.connect(BASE + "audio/b", **bearer("two")) as other:
                await other.receive_json()
        await server.empty()
        async with server.connect(BASE + "audio/b", **bearer("one")) as ws:
            await ws.receive_json()


async def test_a_key_that_sends_too_much_is_slowed_down(path: Path) -> None:
    """256 kB at 64 kB a second, of which 128 kB are free: two seconds, and nothing is lost."""
    write(path, "slow bytes_per_second=64000\n")
    async with (
        serving(security=SecuritySettings(api_keys_file=str(path))) as server,
        server.connect(BASE + "audio/a", **bearer("slow")) as ws,
    ):
        started = time.monotonic()
        for _ in range(32):
            await ws.send_bytes(bytes(8000))
        await ws.send_str('{"type":"close"}')
        message = {"type": ""}
        while message["type"] != "closed":
            message = await ws.receive_json(timeout=10)
        assert 1.5 < time.monotonic() - started < 4
        assert message["stats"]["bytes"] >= 256_000


async def test_uploads_count_too(path: Path) -> None:
    write(path, "slow bytes_per_second=1000\n")
    async with serving(security=SecuritySettings(api_keys_file=str(path))) as server:
        headers = bearer("slow")["headers"]
        answers = [
            (await server.post(BASE + f"start/{number}", data=b"{" + b" " * 1500, headers=headers))[0]
            for number in range(4)
        ]
        assert answers[0] == 400
        assert answers[-1] == 429


async def sent_with(server: Running, **headers: str) -> None:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    async with RawSocket(server.netloc, BASE + "audio/a?api_key=top-secret&token=top-secret", more=more):
        pass


@pytest.mark.parametrize("as_json", [True, False])
async def test_no_key_gets_into_the_log(monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure_logging(ServerSettings(log_level="debug", log_json=as_json))
    async with serving(security=SecuritySettings(api_keys=("top-secret",))) as server:
        await sent_with(server, Authorization="Bearer top-secret")
        await sent_with(server, Sec_WebSocket_Protocol="bearer, top-secret")
        await sent_with(server, Sec_WebSocket_Protocol="top-secret, bearer")
        await sent_with(server, Authorization="Bearer top-secretive")
        await asyncio.sleep(0.05)
    assert "connected" in stream.getvalue()
    assert "top-secret" not in stream.getvalue()
