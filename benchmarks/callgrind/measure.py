"""Instructions per operation of the core, counted by callgrind and compared with a stored baseline.

Times drift on shared machines; instruction counts do not, whatever the load. They depend on the compiler and the C
library, so a baseline belongs to a pair of versions, and to an instruction set. Instructions are not time: this gate
notices what was made longer by mistake, the ratios of the other benchmarks say what is fast.

    make bench-instructions             compare; fails above 1.03 times the baseline
    make bench-instructions UPDATE=1    take what is measured now as the baseline, after a wanted change
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT = 1.03
REPEATS = (100, 1100)
ISAS = ("avx2", "baseline")
BASELINE = Path(__file__).with_name("baseline.json")
Counts = dict[str, float]


def run(driver: str, *arguments: str, isa: str, under: tuple[str, ...] = ()) -> str:
    """What the driver prints, or valgrind about it."""
    environment = {**os.environ, "FASTRING_ISA": isa}
    command = [*under, driver, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def instructions(driver: str, operation: str, repeats: int, isa: str) -> int:
    """Instructions of a whole run of the driver."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "counts")
        run(
            driver,
            operation,
            str(repeats),
            isa=isa,
            under=("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"),
        )
        total = re.search(r"^(?:totals|summary): (\d+)$", out.read_text(encoding="utf-8"), re.MULTILINE)
    assert total is not None
    return int(total[1])


def per_operation(driver: str, operation: str, isa: str) -> float:
    """Instructions of one repeat: what start and end cost falls out of the difference."""
    few, many = REPEATS
    spent = instructions(driver, operation, many, isa) - instructions(driver, operation, few, isa)
    return round(spent / (many - few), 1)


def compare(measured: Counts, baseline: Counts) -> tuple[list[str], bool]:
    """A line per operation, and whether all are within the limit."""
    lines, good = [], True
    for name, count in measured.items():
        if name not in baseline:
            lines.append(f"{name:34} {count:12,.1f}  no baseline yet")
            good = False
            continue
        ratio = count / baseline[name]
        good = good and ratio <= LIMIT
        verdict = "TOO MANY" if ratio > LIMIT else "better: update the baseline" if ratio < 2 - LIMIT else "ok"
        lines.append(f"{name:34} {count:12,.1f}  {ratio:6.3f} of {baseline[name]:,.1f}  {verdict}")
    return lines, good


def main(driver: str, *, update: bool) -> int:
    """Measure every operation on every instruction set; 1 if one takes too many instructions."""
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed (apt-get install valgrind)")
        return 0
    stored = json.loads(BASELINE.read_text(encoding="utf-8"))
    build, _, *operations = run(driver, isa="avx2").splitlines()
    if build not in stored and not update:
        print(f"skipped: no baseline for {build}, only for {'; '.join(stored)} (UPDATE=1 makes one)")
        return 0
    print(f"instructions per operation, {build}")
    all_good = True
    for isa in ISAS:
        if run(driver, isa=isa, under=("valgrind", "-q")).splitlines()[1] != isa:
            print(f"skipped: {isa} does not run here")
            continue
        measured = {name: per_operation(driver, name, isa) for name in operations}
        if update:
            stored.setdefault(build, {})[isa] = measured
        lines, good = compare(measured, stored[build].get(isa, {}))
        all_good = all_good and good
        print(f"\n{isa}", *lines, sep="\n")
    if update:
        BASELINE.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
        print(f"\nwritten: {BASELINE}")
    elif not all_good:
        print(f"\nmore than {LIMIT} times the baseline. If it is wanted: make bench-instructions UPDATE=1, and say why")
    return 0 if all_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], update="--update" in sys.argv[2:]))
