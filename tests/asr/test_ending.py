"""The end of a process whose speech engine is still at work."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from fastring.asr.ending import THREAD_PREFIX, end_process_if_at_work, engine_at_work

PROGRAM = """
import sys, threading, time
from fastring.asr.ending import THREAD_PREFIX, end_process_if_at_work

threading.Thread(target=time.sleep, args=(60,), name=THREAD_PREFIX + "0").start()
print("all is said", end="")
end_process_if_at_work(3)
print("never")
"""


def test_a_process_ends_although_its_engine_does_not() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=False)
    assert (result.returncode, result.stdout) == (3, "all is said")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that other tests of this process left inside their engines do not count."""
    others, everyone = set(threading.enumerate()), threading.enumerate
    monkeypatch.setattr(threading, "enumerate", lambda: [thread for thread in everyone() if thread not in others])


@pytest.mark.usefixtures("alone")
def test_an_idle_engine_leaves_the_end_to_the_interpreter() -> None:
    assert not engine_at_work()
    end_process_if_at_work(3)  # or there would be no test to go on with


@pytest.mark.usefixtures("alone")
def test_a_worker_is_known_by_its_name() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait, name=f"{THREAD_PREFIX}7")
    thread.start()
    assert engine_at_work()
    done.set()
    thread.join()
    assert not engine_at_work()
