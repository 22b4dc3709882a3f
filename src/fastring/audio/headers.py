"""Where the headers and the library of the native core are, for extensions that use it without going through Python."""

from __future__ import annotations

from pathlib import Path

from fastring import _native

__all__ = ["get_include", "get_library_dir"]


def get_include() -> str:
    """Folder to put on a compiler's include path, so that `#include <fastring/ring_buffer.hpp>` works.

    The ring (`ring_buffer.hpp`, `ring_reader.hpp`) is header-only C++20: nothing to link unless
    a read converts samples.
    """
    return str(Path(_native.__file__).parent / "include")


def get_library_dir() -> str:
    """Folder of the static library `fastring_core`, which holds the analyzer and the conversions.

    It is position-independent, needs the C++ runtime alone, and picks the instruction set at run time. An extension
    that links it has a copy of its own and shares nothing with `fastring._native`.
    """
    return str(Path(_native.__file__).parent / "lib")
