"""The headers of the core are installed and compile on their own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import fastring

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


def test_the_headers_are_there() -> None:
    names = {path.name for path in Path(fastring.get_include(), "fastring").glob("*.hpp")}
    assert {"ring_buffer.hpp", "ring_reader.hpp", "pcm.hpp", "types.hpp", "error.hpp"} <= names


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_a_program_uses_the_ring_without_python(tmp_path: Path) -> None:
    source = tmp_path / "program.cpp"
    source.write_text(PROGRAM, encoding="utf-8")
    command = ["c++", "-std=c++20", "-O1", f"-I{fastring.get_include()}", str(source), "-o", str(tmp_path / "program")]
    subprocess.run(command, check=True)
    subprocess.run([str(tmp_path / "program")], check=True)
