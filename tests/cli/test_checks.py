from __future__ import annotations

import asyncio
import resource
import socket
import sys
from pathlib import Path

import pytest
from serving import serving

from fastring.asr.cores import available_cores
from fastring.cli.checks import (
    CHECKS,
    check_cores,
    check_descriptors,
    check_extension,
    check_extras,
    check_keys,
    check_model,
    check_port,
    check_python,
    check_tls,
    run_checks,
)
from fastring.config import AsrSettings, SecuritySettings, ServerSettings, Settings
from fastring.errors import ModelUnavailableError

DEFAULTS = Settings()


def server(**values: object) -> Settings:
    return Settings(server=ServerSettings(**values))  # type: ignore[arg-type]


def test_this_installation_is_sound() -> None:
    for check in (check_python(DEFAULTS), check_extension(DEFAULTS)):
        assert (check.status, check.mend) == ("ok", "")
    assert "instructions" in check_extension(DEFAULTS).found


def test_an_extension_of_another_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastring.cli.checks.core_version", lambda: "0.0.1")
    check = check_extension(DEFAULTS)
    assert check.status == "fail"
    assert "0.0.1" in check.found


def test_missing_packages_are_named_with_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check = check_extras(Settings(asr=AsrSettings(engine="deepgram", fallback=("faster-whisper",))))
    assert check.status == "fail"
    assert "websockets" in check.found
    assert check.mend == 'pip install "fastring[asr,deepgram,server]"'


def test_the_bundled_model_is_heard() -> None:
    pytest.importorskip("faster_whisper")
    check = check_model(Settings(asr=AsrSettings(model="digits")))
    assert check.status == "ok", check.found


@pytest.mark.parametrize("model", ["no/such/folder", "base"])
def test_a_model_that_is_not_here_is_told_and_the_engine_tried(
    model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("faster_whisper")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path), raising=False)
    check = check_model(Settings(asr=AsrSettings(model=model)))
    assert check.status == "fail"
    assert model in check.found
    assert "`digits` heard" in check.found
    assert "--model digits" in check.mend


def test_a_model_that_the_first_start_fetches_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faster_whisper")

    def missing(*_: object, **__: object) -> None:
        raise ModelUnavailableError("The speech model is not here.")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("fastring.cli.checks.resolve_model", missing)
    check = check_model(Settings(asr=AsrSettings(model="base")))
    assert check.status == "warn"
    assert "fastring transcribe --model base" in check.mend


def test_a_remote_engine_is_not_asked_but_its_key_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("websockets")
    check = check_model(Settings(asr=AsrSettings(engine="deepgram")))
    assert check.status == "fail"
    assert "DEEPGRAM_API_KEY" in check.found


def test_a_port_in_use_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        check = check_port(server(port=port))
        assert check.status == "fail"
        assert str(port) in check.found
    assert check_port(server(port=port)).status == "ok"
    assert check_port(server(port=0)).status == "ok"


async def test_a_server_of_ours_on_the_port_is_no_failure() -> None:
    async with serving() as running:
        port = int(running.url.rpartition(":")[2])
        for host in ("127.0.0.1", "0.0.0.0"):
            check = await asyncio.to_thread(check_port, server(host=host, port=port))
            assert (check.status, check.found) == ("warn", f"a fastring server runs at {running.url} already")
            assert "--port 0" in check.mend


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.0 200 OK\r\nServer: nginx\r\n\r\n"])
async def test_whoever_else_listens_there_is_a_failure(answer: bytes) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as foreign:
        port = foreign.sockets[0].getsockname()[1]
        check = await asyncio.to_thread(check_port, server(port=port))
    assert check.status == "fail"
    assert "stop what listens there" in check.mend


@pytest.mark.parametrize(("limit", "status"), [(1 << 16, "ok"), (400, "warn"), (256, "fail")])
def test_file_descriptors_are_counted_against_streams(limit: int, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    check = check_descriptors(server(max_streams=256))
    assert check.status == status, check.found
    assert bool(check.mend) is (status != "ok")
    if status != "ok":
        assert "ulimit -n 1152" in check.mend


def test_more_threads_than_cores_are_told() -> None:
    cores = available_cores()
    assert check_cores(Settings(asr=AsrSettings(workers=1, threads=1))).status == "ok"
    check = check_cores(Settings(asr=AsrSettings(workers=cores + 1, threads=1)))
    assert check.status == "warn"
    assert f"{cores} may be used" in check.found


def test_a_public_address_wants_keys(tmp_path: Path) -> None:
    public = ServerSettings(host="0.0.0.0")
    assert check_keys(DEFAULTS).status == "ok"
    assert check_keys(Settings(server=public)).status == "fail"
    assert check_keys(Settings(server=public, security=SecuritySettings(api_keys=("k",)))).status == "ok"
    forced = SecuritySettings(allow_public_without_keys=True)
    assert check_keys(Settings(server=public, security=forced)).status == "warn"
    gone = SecuritySettings(api_keys_file=str(tmp_path / "gone"))
    assert check_keys(Settings(security=gone)).status == "fail"


def test_a_certificate_that_does_not_load_is_told(tmp_path: Path) -> None:
    assert check_tls(DEFAULTS).status == "ok"
    assert check_tls(server(tls_certificate=str(tmp_path / "gone.pem"))).status == "fail"
    pem = Path(__file__).resolve().parents[1] / "support" / "localhost.pem"
    assert check_tls(server(tls_certificate=str(pem))).status == "ok"


def test_a_check_that_cannot_be_made_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastring.server.registry", None)
    pytest.importorskip("faster_whisper")
    checks = {check.name: check for check in run_checks(Settings(asr=AsrSettings(model="digits")))}
    assert list(checks) == [name for name, _ in CHECKS]
    assert checks["descriptors"].status == "fail"
    assert checks["descriptors"].mend == "see `extras`"
