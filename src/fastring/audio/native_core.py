"""Which native core runs in this process: its version, and the instruction set that it picked."""

from __future__ import annotations

from fastring import _native

__all__ = ["core_version", "instruction_set"]


def core_version() -> str:
    """The version that the extension was compiled from; equal to `fastring.__version__` in a sound installation."""
    return _native.__version__


def instruction_set() -> str:
    """`avx2` or `baseline`. `FASTRING_ISA=baseline` in the environment forces the portable one."""
    return _native.isa
