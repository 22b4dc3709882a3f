"""The server under load: a process of its own, its metrics, and what the rest of the machine does meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families
from started import started

if TYPE_CHECKING:
    from collections.abc import Iterator

Counts = dict[str, float]


@dataclass(frozen=True)
class Engine:
    """A model and how it is run; `truth` says whether it hears what is said."""

    title: str
    model: str
    short_encode: str
    truth: bool


@contextlib.contextmanager
def serving(engine: Engine) -> Iterator[str]:
    """`fastring serve` with its defaults, on a free port; gives its address."""
    options = [f"asr.short_encode={engine.short_encode}", "asr.device=cpu", "server.log_level=error"]
    command = [sys.executable, "-m", "fastring", "serve", "--port", "0", "--model", engine.model]
    command += [part for option in options for part in ("--set", option)]
    with started(command, r"ready on (\S+)", quiet=False) as (_, url):
        yield url


def scrape(url: str) -> Counts:
    """The sum of every metric by its name, labels aside."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    counts: Counts = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.endswith("_bucket"):
                counts[sample.name] = counts.get(sample.name, 0.0) + sample.value
    return counts


class Others:
    """How many cores were busy with other things than this process and the server."""

    def __init__(self) -> None:
        self._busy_s, self._own_s, self._at_s = _busy_s(), time.process_time(), time.monotonic()

    def cores(self, server_cpu_s: float) -> float | None:
        """Since it was made; None where the system does not tell."""
        if self._busy_s is None:
            return None
        busy_s = (_busy_s() or 0.0) - self._busy_s - (time.process_time() - self._own_s) - server_cpu_s
        return max(0.0, busy_s / (time.monotonic() - self._at_s))


def _busy_s() -> float | None:
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _idle, _wait, irq, soft = map(int, stat.read_text().splitlines()[0].split()[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")
