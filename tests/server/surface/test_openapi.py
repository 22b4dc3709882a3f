"""The document is a valid one, names every page, and the running server does what it says."""

from __future__ import annotations

import asyncio
import re
import warnings
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from references import followed

from fastring.config import SecuritySettings
from fastring.server.routes import FAMILIES, chosen
from fastring.server.surface.openapi import openapi

if TYPE_CHECKING:
    from serving import Serve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
OPERATIONS = [(page.method, page.path) for family in FAMILIES for page in family.pages]


@pytest.mark.parametrize("keys", [False, True])
def test_it_is_valid_openapi_and_names_every_page(keys: bool) -> None:
    document = openapi(FAMILIES, keys=keys)
    OpenAPIV31SpecValidator(document).validate()
    named = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert named == set(OPERATIONS)
    identities = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(identities)) == len(identities)


def test_every_reference_leads_somewhere() -> None:
    document = openapi(FAMILIES, keys=True)
    found = followed(document)
    assert {f"#/components/schemas/{name}" for name in document["components"]["schemas"]} == set(found)
    assert len(found) > 20
    assert all(target for target in found.values())


def test_what_is_not_served_is_not_in_it() -> None:
    document = openapi(chosen(("native",)), keys=False)
    assert "/v1/listen" not in document["paths"]
    assert "/livez" in document["paths"]


def test_with_keys_only_open_pages_do_without() -> None:
    paths = openapi(FAMILIES, keys=True)["paths"]
    open_pages = {page.path for family in FAMILIES for page in family.pages if page.open_to_all}
    assert {path for path, item in paths.items() for operation in item.values() if operation.get("security") == []} == (
        open_pages
    )


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(operation) for operation in OPERATIONS])
async def test_the_running_server_does_what_it_says(serve: Serve, method: str, path: str) -> None:
    """Requests made up from the document, good and bad; what does not fit it raises."""
    async with serve() as server:
        _, document = await server.get("/api/openapi.json")
        operation = schemathesis.openapi.from_dict(document)[path][method]

        @given(data=st.data())
        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(data: st.DataObject) -> None:
            case = data.draw(operation.as_strategy())
            answered.append(case.call_and_validate(base_url=server.url, checks=CHECKS, timeout=10).status_code)

        answered: list[int] = []
        await asyncio.to_thread(ask)
    assert {str(status) for status in answered} <= set(document["paths"][path][method.lower()]["responses"])
    assert answered


async def test_a_key_is_asked_for_where_the_document_says_so(serve: Serve) -> None:
    async with serve(security=SecuritySettings(api_keys=("secret",))) as server:
        _, document = await server.get("/api/openapi.json")
        for path, item in document["paths"].items():
            for method, operation in item.items():
                url = server.url + re.sub(r"{\w+}", "a", path)
                async with server.client.request(method.upper(), url) as response:
                    assert (response.status == 401) is (operation.get("security") != []), path
