from __future__ import annotations

import os
import subprocess
import sys

from fastring import __version__
from fastring.audio.native_core import core_version, instruction_set


def test_the_core_is_of_this_version_and_says_what_it_runs_on() -> None:
    assert core_version() == __version__
    assert instruction_set() in ("avx2", "baseline")


def test_the_portable_one_can_be_forced() -> None:
    code = "from fastring.audio.native_core import instruction_set; print(instruction_set())"
    environment = os.environ | {"FASTRING_ISA": "baseline"}
    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip() == "baseline"
