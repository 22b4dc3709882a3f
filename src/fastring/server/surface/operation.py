"""How a page describes itself: what it takes and what it answers, as types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["JSON", "MULTIPART", "Operation", "Parameter"]

JSON = "application/json"
MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query."""

    name: str
    type: Any
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One page.

    Attributes:
        summary: one line.
        answer: type of the JSON answer, or None where it is no JSON.
        status: of the answer.
        media: other media types of the answer, instead of JSON or besides it.
        body: type of the request's body, if it takes one; None with a `body_media` is bytes as they are.
        body_media: of the body; "" takes none.
        body_required: whether it may be left out.
        query: parameters.
        errors: statuses of its refusals, besides those that every page has.
        also: further statuses with the same answer.
    """

    summary: str
    answer: Any = None
    status: int = 200
    media: tuple[str, ...] = ()
    body: Any = None
    body_media: str = ""
    body_required: bool = True
    query: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()
    also: tuple[int, ...] = ()
