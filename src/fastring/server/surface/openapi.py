"""OpenAPI 3.1 of every page that is served, made from the table of routes and the types of their answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from fastring._version import __version__
from fastring.server.surface.operation import JSON

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastring.server.family import Family, Page
    from fastring.server.surface.operation import Operation

__all__ = ["openapi"]

Schema = dict[str, Any]

_REFUSED = {
    400: "a value is not one; the answer names it and the limit",
    401: "an API key is needed, or it is none",
    403: "pages of that origin may not ask, the host is not this machine, or a short-lived key does not open this path",
    404: "there is no such thing",
    405: "another method is wanted",
    408: "the body did not come in time",
    409: "it is there already",
    413: "the body is too large",
    415: "another media type is wanted",
    429: "too many uploads, too many bytes with this key, or too much from this address; see Retry-After",
    500: "the server failed; its log says why",
    503: "no room, or the server goes down; see Retry-After",
}
_ALWAYS = (403, 429, 500)
_GUARDED = (401,)
_PLACE = re.compile(r"{(\w+)}")
_PLACES: dict[str, Schema] = {"stream_id": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}}
_AS_REF = "#/components/schemas/{model}"


def openapi(families: Sequence[Family], *, keys: bool) -> dict[str, Any]:
    """The document of what these families serve.

    Args:
        families: whose pages are served.
        keys: whether there are API keys, so that pages that are not open to all ask for one.
    """
    schemas = _Schemas()
    paths: dict[str, Any] = {}
    for family in families:
        for page in family.pages:
            if page.operation is not None:
                described = _operation(family, page, page.operation, schemas)
                paths.setdefault(page.path, {})[page.method.lower()] = described
    scheme = {"type": "http", "scheme": "bearer", "description": "one of the server's API keys"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fastring",
            "version": __version__,
            "description": "Live audio in, analysis and text out. The WebSockets: see `/api/asyncapi.json`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"key": []}] if keys else [{}, {"key": []}],
        "paths": paths,
        "components": {"schemas": schemas.defined, "securitySchemes": {"key": scheme}},
    }


class _Schemas:
    """JSON schemas of types, each named one once."""

    def __init__(self) -> None:
        self.defined: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """A reference to the schema of a type, or the schema itself where it has no name."""
        schema = TypeAdapter(kind).json_schema(ref_template=_AS_REF)
        self.defined.update(schema.pop("$defs", {}))
        name = schema.get("title")
        if schema.get("type") != "object" or name is None:
            return schema
        self.defined[name] = schema
        return {"$ref": _AS_REF.format(model=name)}


def _operation(family: Family, page: Page, operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(page),
        "tags": [family.name],
        "summary": operation.summary,
        "parameters": [*_path_parameters(page.path), *_query_parameters(operation, schemas)],
        "responses": dict(_responses(family, page, operation, schemas)),
    }
    if page.open_to_all:
        described["security"] = []
    if operation.body_media:
        content: Schema = {} if operation.body is None else {"schema": schemas.of(operation.body)}
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {operation.body_media: content},
        }
    return described


def _operation_id(page: Page) -> str:
    words = re.findall(r"[A-Za-z0-9]+", page.path) or ["index"]
    return "_".join([page.method.lower(), *words])


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for name in _PLACE.findall(path):
        schema = _PLACES.get(name, {"type": "string", "minLength": 1})
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(operation: Operation, schemas: _Schemas) -> Iterator[dict[str, Any]]:
    for parameter in operation.query:
        described = {"name": parameter.name, "in": "query", "required": False, "schema": schemas.of(parameter.type)}
        yield {**described, "description": parameter.summary} if parameter.summary else described


def _responses(
    family: Family, page: Page, operation: Operation, schemas: _Schemas
) -> Iterator[tuple[str, dict[str, Any]]]:
    content: dict[str, Any] = {} if operation.answer is None else {JSON: {"schema": schemas.of(operation.answer)}}
    content |= {media: {"schema": {"type": "string"}} for media in operation.media}
    for status in (operation.status, *operation.also):
        yield str(status), {"description": operation.summary, "content": content}
    refusal = {JSON: {"schema": schemas.of(family.problem)}}
    for status in sorted({*_ALWAYS, *operation.errors, *(() if page.open_to_all else _GUARDED)} - {*operation.also}):
        yield str(status), {"description": _REFUSED[status], "content": refusal}
