"""The headers of the core are installed and compile on their own."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
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


EXTENSION = """
# cython: language_level=3
from fastring.core cimport (
    OverflowPolicy, ReadResult, RingBuffer, RingConfig, RingReader, SampleType, WriteStatus)
from libc.stdint cimport int16_t

def echo(int16_t[::1] audio, int16_t[::1] out):
    cdef RingConfig config
    config.capacity_frames, config.channels, config.start_index = 100, 1, 1000
    config.sample_type, config.overflow = SampleType.kInt16, OverflowPolicy.kDropOldest
    cdef RingBuffer* ring = new RingBuffer(config)
    cdef RingReader* reader = new RingReader(ring[0])
    cdef ReadResult result
    cdef WriteStatus written
    with nogil:
        written = ring.write(&audio[0], audio.shape[0])
        result = reader.read(&out[0], out.shape[0])
    answer = (written == WriteStatus.kOk, result.start, result.frames, ring.stats().dropped_frames)
    del reader
    del ring
    return answer
"""


@pytest.mark.skipif(importlib.util.find_spec("Cython") is None, reason="Cython is not installed")
@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_a_cython_extension_uses_the_ring_without_python(tmp_path: Path) -> None:
    package = Path(fastring.__file__).parent.parent  # where Cython finds fastring/core.pxd
    source, made = tmp_path / "echo.pyx", tmp_path / "echo.cpp"
    source.write_text(EXTENSION, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "cython", "--cplus", f"-I{package}", str(source), "-o", str(made)], check=True
    )
    library = tmp_path / f"echo{sysconfig.get_config_var('EXT_SUFFIX')}"
    includes = [f"-I{fastring.get_include()}", f"-I{sysconfig.get_path('include')}"]
    flags = [
        "-std=c++20",
        "-O1",
        "-shared",
        "-fPIC",
        *(["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []),
    ]
    subprocess.run(["c++", *flags, *includes, str(made), "-o", str(library)], check=True)
    code = (
        "import array, echo; out = array.array('h', [0] * 5); print(echo.echo(array.array('h', range(120)), out), *out)"
    )
    output = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=tmp_path)
    assert output.strip() == "(True, 1020, 5, 20) 20 21 22 23 24"
