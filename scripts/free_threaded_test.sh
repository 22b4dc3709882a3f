#!/usr/bin/env bash
# Builds fastring for a free-threaded CPython (no GIL), runs the tests of the core there, and measures two threads on
# one ring with and without the GIL. Usage: scripts/free_threaded_test.sh [python3.14t]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3.14t}
if ! "$python" -c 'import sysconfig, sys; sys.exit(not sysconfig.get_config_var("Py_GIL_DISABLED"))' 2>/dev/null; then
  echo "$python is no free-threaded CPython. Get one with: uv python install 3.14t"
  echo "(or build CPython 3.13 or newer with ./configure --disable-gil), then: make free-threaded-test PYTHON=path/to/it"
  exit 1
fi
tag=$("$python" -c 'import sys; print("cp%d%dt" % sys.version_info[:2])')
env=build/free_threaded/$tag
"$python" -m venv "$env"
pip="$env/bin/python -m pip install --quiet --disable-pip-version-check"
$pip --only-binary :all: numpy pytest pytest-asyncio pytest-benchmark hypothesis scikit-build-core pybind11 cmake ninja
$pip --no-build-isolation --no-deps --force-reinstall -Cbuild-dir="build/free_threaded/build-$tag" .
"$env/bin/python" -W error -c '
import sys, fastring
assert not sys._is_gil_enabled(), "importing fastring brought the GIL back"'
"$env/bin/python" -m pytest -q -p no:cacheprovider tests/audio/test_pcm.py \
  tests/audio/test_ring.py tests/audio/test_ring_readers.py tests/audio/test_ring_input.py tests/audio/test_ring_threads.py \
  tests/analysis/test_analyzer.py tests/analysis/test_analyzer_input.py tests/analysis/test_batch.py \
  tests/analysis/test_gate.py tests/analysis/test_realtime.py
for gil in 1 0; do
  PYTHON_GIL=$gil "$env/bin/python" benchmarks/two_threads.py
done
