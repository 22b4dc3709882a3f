"""The headers and the library of the core are installed, and programs and extensions are built with them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastring

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(fastring.__file__).parent
PAGE = (ROOT / "docs/howto/extension.md").read_text(encoding="utf-8")

PROGRAM = """
#include <fastring/ring_buffer.hpp>
#include <fastring/ring_reader.hpp>
int main() {
  using namespace fastring;
  RingBuffer ring({100, 1, SampleType::kInt16, OverflowPolicy::kDropOldest, 0});
  RingReader reader(ring);
  const std::int16_t audio[3] = {1, 2, 3};
  std::int16_t out[3] = {};
  if (ring.write(audio, 3) != WriteStatus::kOk) return 1;
  return reader.read(out, 3).frames == 3 && out[2] == 3 ? 0 : 1;
}
"""

LINKED_PROGRAM = """
#include <fastring/analyzer_recorder.hpp>
#include <cmath>
#include <vector>
int main() {
  std::vector<float> tone(16000);
  for (std::size_t i = 0; i < tone.size(); ++i) tone[i] = 0.3f * std::sin(0.1f * static_cast<float>(i));
  fastring::Analyzer analyzer(16000.0, 1, fastring::AnalyzerSettings{});
  fastring::AnalyzerRecorder recorder;
  analyzer.push(tone.data(), tone.size(), recorder);
  const float expected_hz = 0.1f * 16000.0f / 6.2831853f;
  const bool heard = std::fabs(recorder.pitches.back().f0_hz - expected_hz) < 1.0f;
  recorder.clear();
  return heard && recorder.pitches.empty() ? 0 : 1;
}
"""

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")


def build_and_run(source: str, folder: Path, *link: str) -> int:
    """How the program ends that the compiler makes of it."""
    (folder / "program.cpp").write_text(source, encoding="utf-8")
    command = ["c++", "-std=c++20", "-O1", f"-I{fastring.get_include()}", "program.cpp", "-o", "program", *link]
    subprocess.run(command, check=True, cwd=folder)
    return subprocess.run([str(folder / "program")], check=False).returncode


def test_the_headers_and_the_library_are_there() -> None:
    names = {path.name for path in Path(fastring.get_include(), "fastring").glob("*.hpp")}
    assert {"ring_buffer.hpp", "ring_reader.hpp", "analyzer_recorder.hpp", "pcm.hpp", "types.hpp", "error.hpp"} <= names
    assert [path.stem.removeprefix("lib") for path in Path(fastring.get_library_dir()).iterdir()] == ["fastring_core"]


@needs_compiler
def test_a_program_uses_the_ring_without_python(tmp_path: Path) -> None:
    assert build_and_run(PROGRAM, tmp_path) == 0


@needs_compiler
def test_a_program_uses_the_analyzer_without_python(tmp_path: Path) -> None:
    assert build_and_run(LINKED_PROGRAM, tmp_path, f"-L{fastring.get_library_dir()}", "-lfastring_core") == 0


def test_the_cython_settings_are_those_of_the_header() -> None:
    field = re.compile(r"^\s+(double|int) (\w+)(?: =.*;.*)?$", re.MULTILINE)
    header = (ROOT / "csrc/core/analyzer_settings.hpp").read_text(encoding="utf-8")
    cython = (PACKAGE / "core.pxd").read_text(encoding="utf-8")
    declared = re.search(r"cppclass AnalyzerSettings:\n(.*?)\n\n", cython, re.DOTALL)
    assert declared is not None
    assert field.findall(declared[1]) == field.findall(header)


def block(language: str) -> str:
    """The page's example in that language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@needs_compiler
def test_the_cython_extension_of_the_documentation_works_without_the_gil(tmp_path: Path) -> None:
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    (tmp_path / "follow.pyx").write_text(block("cython"), encoding="utf-8")
    (tmp_path / "setup.py").write_text(block("py"), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}  # where an installed package is anyway
    build = [sys.executable, "setup.py", "build_ext", "--inplace"]
    built = subprocess.run(build, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr

    tone = 8000 * np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000)
    tone[:8000] = 0
    np.save(tmp_path / "tone.npy", tone.astype(np.int16))
    code = "import follow, numpy; print(follow.follow(numpy.load('tone.npy'), 16000))"
    onsets, pitch_hz = eval(subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True))
    expected = fastring.analyze(tone.astype(np.int16), 16_000)
    np.testing.assert_allclose(onsets, expected.onset_time_s, atol=1e-6)
    np.testing.assert_allclose(onsets, [0.5], atol=0.02)
    assert pitch_hz == pytest.approx(300, abs=0.5)
