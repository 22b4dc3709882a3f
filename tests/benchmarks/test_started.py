"""The process that a benchmark measures: it has ended when the block has, and one that never gets ready is told."""

from __future__ import annotations

import sys

import pytest
from started import started

SLEEPS = "import time; print('warming up'); print('ready on http://here', flush=True); time.sleep(60)"


def test_it_is_ready_in_the_block_and_ended_after_it() -> None:
    with started([sys.executable, "-c", SLEEPS], r"ready on (\S+)") as (process, address):
        assert address == "http://here"
        assert process.poll() is None
    assert process.returncode is not None


def test_one_that_never_gets_ready_is_told_with_its_command() -> None:
    command = [sys.executable, "-c", "print('no')"]
    with pytest.raises(RuntimeError, match=r"did not start: .*print\('no'\)"), started(command, r"ready on (\S+)"):
        pass
