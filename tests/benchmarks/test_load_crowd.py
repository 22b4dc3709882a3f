"""The load benchmark's crowd against the bare server: it sends what it says, and waits until all is taken in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from load.processes import CORES, bare, crowd


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    path = tmp_path / "silence.raw"
    path.write_bytes(bytes(64_000))
    return path


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_a_crowd_sends_in_real_time_and_measures_what_the_server_took_for_it(audio: Path) -> None:
    pytest.importorskip("uvloop")
    with bare(100) as server:
        assert server.crowd_cores <= set(CORES)
        assert len(CORES) == 1 or CORES[0] not in server.crowd_cores
        found = crowd(server, 10, 20, audio, warm_up_s=0.1, seconds=0.5)
    assert found.messages == 250
    assert found.unanswered == 0
    assert 0.4 < found.seconds < 5
    assert 0 < found.cpu_us * found.messages < 1e6 * found.seconds * 1.1
    assert 0 <= found.p50_ms <= found.p99_ms <= found.worst_ms
    assert found.crowd_cores > 0
    assert found.busiest == 1.0
