#!/usr/bin/env bash
# The extension under ThreadSanitizer inside CPython: one ring, a writer and readers on threads, the GIL released.
# Usage: scripts/tsan_python_test.sh [python]; the interpreter needs NumPy and pybind11, and may be free-threaded.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(readlink -f "$(dirname "$(command -v "${1:-python}")")")/$(basename "${1:-python}")
export CXX=${CXX:-g++}
runtime=$("$CXX" -print-file-name=libtsan.so)
[ -e "$runtime" ] || { echo "no libtsan for $CXX: apt-get install libtsan2"; exit 1; }
tag=$("$python" -c 'import sys, sysconfig; print("cp%d%d" % sys.version_info[:2] + "t" * bool(sysconfig.get_config_var("Py_GIL_DISABLED")))')
build=build/tsan_python/$tag
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DFASTRING_SANITIZE=thread -DPython_EXECUTABLE="$python" \
  -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" -DFASTRING_VERSION="$("$python" -c \
  'import runpy; print(runpy.run_path("src/fastring/_version.py")["__version__"])')" >/dev/null
cmake --build "$build" --target _native
rm -rf "$build/fastring" && cp -r src/fastring "$build/fastring" && rm -f "$build"/fastring/_native*.so
cp "$build"/_native*.so "$build/fastring/"

# A data race on purpose: if this is not reported, the check below proves nothing.
"$CXX" -x c++ -shared -fPIC -O1 -g -fsanitize=thread -o "$build/race.so" - <<'RACE'
long count = 0;
extern "C" void add() { for (int i = 0; i < 30000000; ++i) ++*const_cast<volatile long*>(&count); }
RACE
under_tsan() { LD_PRELOAD=$runtime PYTHONPATH=$build setarch "$(uname -m)" -R "$python" -S "$@"; }
site=$("$python" -c 'import numpy, pathlib; print(pathlib.Path(numpy.__file__).parent.parent)')
export TSAN_OPTIONS=exitcode=66:halt_on_error=0:ignore_noninstrumented_modules=1
if under_tsan scripts/ring_stress.py --race "$build/race.so" --site "$site" 2>/dev/null; then
  echo "ThreadSanitizer did not see a race made on purpose"; exit 1
fi
under_tsan scripts/ring_stress.py --site "$site"
