#!/usr/bin/env bash
# Build a wheel, install it with NumPy alone into an empty environment, and use it there.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "building a wheel (minutes, on a slow machine) ..."
uv build --quiet --wheel --python .venv/bin/python -o "$work" .
echo "using it in an empty environment ..."
python -m venv --without-pip "$work/env"
uv pip install --quiet --python "$work/env/bin/python" "$work"/fastring-*.whl
installed=$(uv pip list --python "$work/env/bin/python" --format=freeze | sed 's/[@=].*//' | tr -d ' ' | sort | tr '\n' ' ')
[ "$installed" = "fastring numpy " ] || { echo "the wheel brings more than NumPy: $installed"; exit 1; }
cp scripts/wheel_smoke.py "$work"
(cd "$work" && env/bin/python wheel_smoke.py)
