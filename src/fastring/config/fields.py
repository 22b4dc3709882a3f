"""What a setting is made of: its default, its help, its limits."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from fastring.errors import ConfigError

__all__ = [
    "require",
    "require_url",
    "setting",
]


def setting(default: Any, summary: str, *, env: str = "", secret: bool = False) -> Any:
    """A field of a settings class; `summary` is its help in one line, `env` a second name in the environment."""
    return field(default=default, repr=not secret, metadata={"help": summary, "env": env, "secret": secret})


def require(ok: bool, name: str, value: object, limit: str) -> None:
    """Raise `ConfigError` unless `ok`: `name` is "section.field", `limit` completes "must be"."""
    if not ok:
        raise ConfigError(f"{name} = {value!r}: must be {limit}", setting=name)


def require_url(url: str, name: str, schemes: tuple[str, ...]) -> None:
    """Raise `ConfigError` unless `url` is an address of one of `schemes`, with no query, fragment or user."""
    scheme, mark, rest = url.partition("://")
    good = bool(mark) and scheme.lower() in schemes and bool(rest.strip("/")) and not set(rest) & set(" ?#@")
    require(good, name, url, f"an address such as {schemes[0]}://127.0.0.1:8000, of {', '.join(schemes)}")
