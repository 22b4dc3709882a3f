"""Where the C++ headers of the native core are, for extensions that use it without going through Python."""

from __future__ import annotations

from pathlib import Path

from fastring import _native

__all__ = ["get_include"]


def get_include() -> str:
    """Folder to put on a compiler's include path, so that `#include <fastring/ring_buffer.hpp>` works.

    The ring (`ring_buffer.hpp`, `ring_reader.hpp`) is header-only C++20: nothing to link unless
    a read converts samples.
    """
    return str(Path(_native.__file__).parent / "include")
