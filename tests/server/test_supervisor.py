"""Real processes on one port: both answer, a dead one is replaced, and SIGTERM drains them all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving import BASE

from fastring.config import AsrSettings, ServerSettings, Settings
from fastring.errors import ConfigError
from fastring.server.supervisor import run_processes, share_of

if TYPE_CHECKING:
    from collections.abc import Iterator

if not hasattr(socket, "SO_REUSEPORT") or not Path("/proc/self/task").exists():
    pytest.skip("needs Linux", allow_module_level=True)


@contextlib.contextmanager
def supervised(tmp_path: Path, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Two processes: the parent, the shared address, and the first of their own ports."""
    script = tmp_path / "script.txt"
    script.write_text("one two\n", encoding="utf-8")
    own = free_ports(2)
    command = [sys.executable, "-m", "fastring", "serve", "--port", 0, "--processes", 2, "--engine", "scripted"]
    settings = [f"asr.script={script}", f"server.process_port={own}", "server.log_json=true", "server.drain_s=1"]
    for setting in settings:
        command += ["--set", setting]
    with subprocess.Popen(
        [str(part) for part in [*command, *arguments]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as parent:
        try:
            assert parent.stdout is not None
            line = parent.stdout.readline()
            assert line.startswith("fastring ready on "), parent.stderr.read() if parent.stderr else ""
            yield parent, line.split()[-1], own
        finally:
            parent.kill()  # its processes notice


def free_ports(count: int) -> int:
    """The first of so many neighbouring ports that nobody uses."""
    while True:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            for offset in range(1, count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            return port


def children(parent: int) -> dict[str, int]:
    """The server processes of a parent by their names, as `ps` shows them."""
    pids = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
    names = {Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip(): int(pid) for pid in pids}
    return {name: pid for name, pid in names.items() if name.startswith("fastring-")}


async def connections_of(client: aiohttp.ClientSession, port: int) -> int:
    async with client.get(f"http://127.0.0.1:{port}{BASE}health") as response:
        return int((await response.json())["connections"])


async def eventually(ask: object, timeout_s: float = 20.0) -> object:
    """The first answer that is true; raises AssertionError where none comes in time."""
    until = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(OSError, aiohttp.ClientError):
            if answer := await ask():  # type: ignore[operator]
                return answer
        assert time.monotonic() < until, "it took too long"
        await asyncio.sleep(0.05)


async def test_one_scrape_tells_of_all_processes(tmp_path: Path) -> None:
    """Also while one of them is stopped, and after one has died."""
    port = free_ports(1)

    async def scrape() -> dict[tuple[str, str], float]:
        async with client.get(f"http://127.0.0.1:{port}/metrics") as response:
            assert response.status == 200
            families = text_string_to_metric_families(await response.text())
            return {(it.name, it.labels["process"]): it.value for family in families for it in family.samples}

    with supervised(tmp_path, "--set", f"server.metrics_port={port}") as (parent, url, _):
        async with aiohttp.ClientSession() as client, contextlib.AsyncExitStack() as stack:
            for number in range(6):
                await stack.enter_async_context(client.ws_connect(f"{url}{BASE}voice/t{number}"))
            values = await scrape()
            assert values["fastring_connections", "1"] + values["fastring_connections", "2"] == 6
            assert values["fastring_process_up", "2"] == 1
            stopped = children(parent.pid)["fastring-2"]
            os.kill(stopped, signal.SIGSTOP)
            values = await scrape()
            assert ("fastring_connections", "1") in values
            assert ("fastring_connections", "2") not in values
            os.kill(stopped, signal.SIGKILL)

            async def again() -> bool:
                values = await scrape()
                return values["fastring_process_restarts_total", "2"] == 1 and ("fastring_streams", "2") in values

            await eventually(again)
            parent.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(parent.wait, 10) == 0


async def test_two_processes_share_a_port_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    with supervised(tmp_path) as (parent, url, own):
        first = children(parent.pid)
        assert set(first) == {"fastring-1", "fastring-2"}
        async with aiohttp.ClientSession() as client, contextlib.AsyncExitStack() as stack:
            sockets = []
            while not all([await connections_of(client, own), await connections_of(client, own + 1)]):
                assert len(sockets) < 100, "the kernel gives every connection to the same process"
                path = f"{url}{BASE}voice/t{len(sockets)}"
                sockets.append(await stack.enter_async_context(client.ws_connect(path)))
                assert (await sockets[-1].receive_json())["type"] == "ready"

            survivors = await connections_of(client, own + 1)
            os.kill(first["fastring-1"], signal.SIGKILL)
            await eventually(
                lambda: asyncio.to_thread(
                    lambda: children(parent.pid).get("fastring-1") not in (None, first["fastring-1"])
                )
            )
            await eventually(lambda: replaced(client, own))
            assert children(parent.pid)["fastring-2"] == first["fastring-2"]
            assert await connections_of(client, own + 1) == survivors

            parent.send_signal(signal.SIGTERM)
            codes = await asyncio.gather(*(end_of(ws) for ws in sockets))
            assert codes.count(1012) == survivors
            assert set(codes) <= {1012, 1006}
            assert await asyncio.to_thread(parent.wait, 10) == 0
        assert parent.stderr is not None
        log = parent.stderr.read()
        assert "Traceback" not in log
        assert '"exit_code": -9' in log


async def test_a_short_lived_key_of_one_process_opens_the_other(tmp_path: Path) -> None:
    with supervised(tmp_path) as (_, _, own):
        async with aiohttp.ClientSession() as client:
            for first, second in ((own, own + 1), (own + 1, own)):
                async with client.post(f"http://127.0.0.1:{first}/v1/auth/grant") as response:
                    token = (await response.json())["access_token"]
                headers = {"Authorization": f"Bearer {token}"}
                # Any other key is let in everywhere on an open server: this one is not, so it is known.
                async with client.get(f"http://127.0.0.1:{second}/v1/models", headers=headers) as response:
                    assert response.status == 403
                async with client.ws_connect(f"http://127.0.0.1:{second}/v1/listen", headers=headers) as ws:
                    assert not ws.closed


async def replaced(client: aiohttp.ClientSession, port: int) -> bool:
    return await connections_of(client, port) == 0


async def end_of(ws: aiohttp.ClientWebSocketResponse) -> int | None:
    async for _ in ws:
        pass
    return ws.close_code


async def test_processes_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    with supervised(tmp_path) as (parent, _, _):
        pids = children(parent.pid).values()
        assert [alive(pid) for pid in pids] == [True, True]
        parent.kill()
        assert await eventually(lambda: asyncio.to_thread(lambda: not any(alive(pid) for pid in pids)))


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return False


def test_a_port_where_somebody_listens_is_not_shared() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(server=ServerSettings(port=taken.getsockname()[1], processes=2))
        with pytest.raises(ConfigError, match=r"the port is taken: .*--port N"):
            run_processes(settings, on_ready=lambda _url: None)


def test_a_process_that_refuses_to_start_ends_it_all() -> None:
    settings = Settings(
        server=ServerSettings(port=0, processes=2), asr=AsrSettings(engine="scripted", script="/no/such/script")
    )
    with pytest.raises(ConfigError, match="/no/such/script"):
        run_processes(settings, on_ready=lambda _url: None)


@pytest.mark.parametrize(
    ("cores", "processes", "threads", "expected"),
    [(8, 2, 0, (4, 1)), (8, 3, 0, (2, 1)), (1, 4, 0, (1, 1)), (8, 2, 2, (2, 2))],
)
def test_cores_are_divided_among_processes(cores: int, processes: int, threads: int, expected: tuple[int, int]) -> None:
    settings = Settings(server=ServerSettings(processes=processes), asr=AsrSettings(threads=threads))
    own = share_of(settings, cores).asr
    assert (own.workers, own.threads) == expected


def test_workers_that_were_chosen_are_left() -> None:
    settings = Settings(server=ServerSettings(processes=2), asr=AsrSettings(workers=3))
    assert share_of(settings, 8) is settings
