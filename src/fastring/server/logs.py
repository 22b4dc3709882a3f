"""Logging: structured, with stream ids; strangers can neither forge a line, nor drive a terminal, nor fill the disk."""

from __future__ import annotations

import logging
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from fastring.protocols.messages import shown
from fastring.server.log_lines import LogLines

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from fastring.config import ServerSettings

__all__ = ["Throttle", "configure_logging", "escape_control_characters", "http_log", "limit_tracebacks"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def configure_logging(settings: ServerSettings) -> None:
    """Set up the process's logs: to stderr, readable or JSON lines, from `log_level` up."""
    lines = LogLines(sys.stderr)
    level = logging.getLevelName(settings.log_level.upper())
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,  # whose line it is: stream_id, owner, number of the connection
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        limit_tracebacks(),
        structlog.processors.format_exc_info,
        escape_control_characters,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(lines),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    handler = _Handler(lines)  # what libraries log, in the same lines
    drop_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[drop_meta, renderer])
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(max(level, logging.WARNING))
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)  # it would log offered sub-protocols: keys, perhaps


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]  # has parameters from 3.11 on
    """Waits for what is not yet written when logging is shut down."""

    def close(self) -> None:
        self.stream.drain()
        super().close()


class Throttle:
    """Lets through so many events in so many seconds, and counts the rest.

    Args:
        most: events in a period.
        period_s: its length.
        clock: monotonic seconds.
    """

    def __init__(self, most: int, period_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.held_back = 0
        self._most = most
        self._period_s = period_s
        self._clock = clock
        self._begun_s = float("-inf")
        self._seen = 0

    def passes(self) -> bool:
        """Whether this one may go through."""
        now = self._clock()
        if now - self._begun_s >= self._period_s:
            self._begun_s, self._seen = now, 0
        self._seen += 1
        if self._seen > self._most:
            self.held_back += 1
            return False
        return True

    def take_held_back(self) -> int:
        """How many were held back since this was last asked."""
        held, self.held_back = self.held_back, 0
        return held


def limit_tracebacks(throttle: Throttle | None = None) -> Callable[..., MutableMapping[str, Any]]:
    """A processor that leaves out tracebacks beyond ten in ten seconds: whoever finds a bug must not fill the disk."""
    limit = throttle or Throttle(10, 10.0)

    def process(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if not entry.get("exc_info"):
            return entry
        if not limit.passes():
            error = entry.pop("exc_info")
            error = error[1] if isinstance(error, tuple) else error if error is not True else sys.exc_info()[1]
            entry["error"] = shown(repr(error))
        elif held := limit.take_held_back():
            entry["tracebacks_left_out"] = held
        return entry

    return process


def http_log() -> logging.Logger:
    """For aiohttp: a request that is no HTTP is worth one line, and no more than one a second."""
    logger = logging.getLogger("fastring.http")
    logger.filters[:] = [_MalformedRequests(Throttle(1, 1.0))]
    return logger


class _MalformedRequests(logging.Filter):
    """Turns aiohttp's traceback of a malformed request into one line."""

    def __init__(self, throttle: Throttle) -> None:
        super().__init__()
        self._throttle = throttle

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        if not self._throttle.passes():
            return False
        remote = record.args[0] if isinstance(record.args, tuple) and record.args else "?"
        more = self._throttle.take_held_back()
        record.msg = "malformed request from %s: %s" + (f" ({more} more since the last line)" if more else "")
        record.args = (remote, shown(error.message))
        record.exc_info, record.levelno, record.levelname = None, logging.WARNING, "WARNING"
        return True


def escape_control_characters(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show line breaks, escapes and direction marks of every value as escapes; a traceback keeps its lines."""
    for name, value in entry.items():
        if isinstance(value, str) and name != "exception":
            entry[name] = _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), value)
    return entry
