"""Streaming audio with a native hot path: ring buffer, analysis and live speech to text."""

from fastring._version import __version__

__all__ = ["__version__"]
