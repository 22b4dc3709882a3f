"""A real server on a real port, with whatever engine a test wants."""

from __future__ import annotations

from serving_fixtures import digits, serve, server

__all__ = ["digits", "serve", "server"]
