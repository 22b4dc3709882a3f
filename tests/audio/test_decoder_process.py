"""Containers decoded in another process, which may die, hang, or outlive whoever started it."""

from __future__ import annotations

import gc
import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fastring.audio.container import ContainerDecoder
from fastring.audio.decoder_process import DecoderProcess
from fastring.audio.files import stream_audio
from fastring.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    MakeContainer = Callable[..., bytes]

pytestmark = pytest.mark.skipif(not DecoderProcess.possible(), reason="no socket can be handed over on this system")


@pytest.fixture(scope="module")
def process() -> Iterator[DecoderProcess]:
    process = DecoderProcess(patience_s=30)
    yield process
    process.close()


@pytest.fixture
def mortal() -> Iterator[DecoderProcess]:
    process = DecoderProcess(patience_s=30)
    yield process
    process.close()


def pid_of(process: DecoderProcess) -> int:
    process.wait()
    assert process._process is not None
    return process._process.pid


def parts_of(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("channels", ["mix", "keep", 1])
def test_it_hears_what_a_thread_hears_piece_by_piece(
    container_name: str, make_container: MakeContainer, process: DecoderProcess, channels: Any
) -> None:
    data = make_container(container_name, channels=2)
    here, there = ContainerDecoder(8_000, channels), ContainerDecoder(8_000, channels, process=process)
    for part in parts_of(data, 3_001):
        np.testing.assert_array_equal(here.push(part), there.push(part))
    np.testing.assert_array_equal(here.flush(), there.flush())
    assert len(there.push(b"more")) == len(here.push(b"more")) == 0


def test_a_file_is_heard_chunk_by_chunk(
    container_name: str, make_container: MakeContainer, process: DecoderProcess
) -> None:
    data = make_container(container_name, channels=2)
    here, there = stream_audio(io.BytesIO(data), 0.1, 16_000), process.open_file(data, 0.1, 16_000, "mix")
    assert (here.file_channels, here.duration_s) == (there.file_channels, there.duration_s)
    for mine, theirs in zip(here, there, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def all_of(decoder: ContainerDecoder, data: bytes) -> None:
    decoder.push(data)
    decoder.flush()


def test_what_is_wrong_is_told_as_if_it_were_here(make_container: MakeContainer, process: DecoderProcess) -> None:
    for data, options in ((b"nonsense" * 5_000, {}), (make_container("flac"), {"max_burst_s": 0.5})):
        told = []
        for where in (None, process):
            decoder = ContainerDecoder(process=where, **options)  # type: ignore[arg-type]
            with pytest.raises(DecodeError) as failed:
                all_of(decoder, data)
            told.append(str(failed.value))
            decoder.close()
        assert told[0] == told[1]
    with pytest.raises(DecodeError, match="no audio that can be decoded"):
        process.open_file(b"nonsense" * 100, 0.1, 16_000, "mix")


def test_it_is_told_each_time(process: DecoderProcess) -> None:
    decoder = ContainerDecoder(process=process)
    for _ in range(3):
        with pytest.raises(DecodeError, match="no audio"):
            decoder.push(b"nonsense" * 5_000)
    decoder.close()


def test_where_the_process_dies_its_streams_are_told_and_the_next_begins_anew(
    make_container: MakeContainer, mortal: DecoderProcess
) -> None:
    data = make_container("ogg")
    streams = [ContainerDecoder(process=mortal) for _ in range(3)]
    for stream in streams:
        stream.push(data[:4_000])
    os.kill(pid_of(mortal), signal.SIGSEGV)
    for stream in streams:
        for _ in range(2):
            with pytest.raises(DecodeError, match=r"ended with code -11, over this stream or another one"):
                stream.push(data[4_000:8_000])
        with pytest.raises(DecodeError, match="ended with code -11"):
            stream.flush()
    assert mortal.deaths == 1  # another one is on its way already
    whole = ContainerDecoder(process=mortal)
    heard = np.concatenate([whole.push(data), whole.flush()])
    assert len(heard) > 16_000
    assert (mortal.deaths, mortal.starting) == (1, False)


def test_a_file_in_a_process_that_dies_is_told(make_container: MakeContainer, mortal: DecoderProcess) -> None:
    chunks = iter(mortal.open_file(make_container("flac"), 0.1, 16_000, "mix"))
    next(chunks)
    os.kill(pid_of(mortal), signal.SIGKILL)
    with pytest.raises(DecodeError, match="ended with code -9"):
        list(chunks)


def test_a_process_that_hangs_is_killed(make_container: MakeContainer) -> None:
    process, data = DecoderProcess(patience_s=0.5), make_container("ogg")
    hanging = ContainerDecoder(process=process)
    hanging.push(data[:4_000])
    other = ContainerDecoder(process=process)
    other.push(data[:4_000])
    os.kill(pid_of(process), signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(DecodeError, match=r"took more than 0\.5 s and was given up"):
        hanging.push(data[4_000:])
    with pytest.raises(DecodeError, match="ended with code -9"):
        other.push(data[4_000:])
    assert time.monotonic() - began < 5
    with pytest.MonkeyPatch.context() as patient:
        patient.setattr(process, "_patience_s", 30)  # on a busy machine half a second is little
        assert len(ContainerDecoder(process=process).push(data)) > 0
    process.close()


def test_one_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch, make_container: MakeContainer) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    process = DecoderProcess()
    for _ in range(2):
        with pytest.raises(DecodeError, match=r"did not start \(/bin/false\)"):
            process.open_stream(16_000, "mix", 100)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DecodeError, match="did not start"):
        ContainerDecoder(process=process).push(make_container("ogg"))


def test_while_somebody_waits_for_it_to_start_nobody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event loop calls `start` and `close` while a thread is in `wait`."""
    monkeypatch.setattr("fastring.audio.decoder_process._WORKER", "import time; time.sleep(60)")
    process, told = DecoderProcess(), list[str]()

    def wait() -> None:
        with pytest.raises(DecodeError) as failed:
            process.wait()
        told.append(str(failed.value))

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not process.starting:
        time.sleep(0.01)
    began = time.monotonic()
    process.start()
    assert process.starting
    assert time.monotonic() - began < 1
    process.close()
    waiting.join(10)
    assert "did not start" in told[0]


def test_it_takes_no_module_from_where_it_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("av.py", "json.py", "numpy.py", "fastring.py"):
        (tmp_path / name).write_text("raise SystemExit('not mine')\n", encoding="ascii")
    monkeypatch.chdir(tmp_path)
    process = DecoderProcess()
    process.wait()
    assert not process.starting
    process.close()


def test_many_threads_share_it(make_container: MakeContainer, process: DecoderProcess) -> None:
    data = make_container("webm")
    expected = ContainerDecoder().push(data)
    heard: list[bool] = []

    def hear() -> None:
        decoder = ContainerDecoder(process=process)
        samples = np.concatenate([decoder.push(part) for part in parts_of(data, 997)])
        heard.append(np.array_equal(samples, expected))
        decoder.close()

    threads = [threading.Thread(target=hear) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == [True] * 8


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc on this system")
def test_streams_that_are_dropped_or_broken_off_leave_no_descriptor(
    make_container: MakeContainer, process: DecoderProcess
) -> None:
    data = make_container("ogg")

    def open_here_and_there() -> tuple[int, int]:
        gc.collect()
        ours, theirs = Path("/proc/self/fd"), Path(f"/proc/{pid_of(process)}/fd")
        return len(list(ours.iterdir())), len(list(theirs.iterdir()))

    pid_of(process)
    before = open_here_and_there()
    for number in range(30):
        decoder = ContainerDecoder(process=process)
        decoder.push(data[: 100 * number])
        file = process.open_file(data, 0.1, 16_000, "mix")
        next(iter(file))
        del decoder, file
    end_s = time.monotonic() + 10
    while open_here_and_there() != before and time.monotonic() < end_s:
        time.sleep(0.05)
    assert open_here_and_there() == before


def test_it_ends_with_whoever_started_it() -> None:
    code = (
        "import os\nfrom fastring.audio.decoder_process import DecoderProcess\n"
        "process = DecoderProcess(); process.wait(); print(process._process.pid, flush=True); os._exit(1)"
    )
    pid = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout)
    end_s = time.monotonic() + 10
    while time.monotonic() < end_s:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} is still there")
