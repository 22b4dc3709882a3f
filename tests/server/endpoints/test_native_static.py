from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastring.config import SecuritySettings
from fastring.server.endpoints.native_static import SCRIPTS

if TYPE_CHECKING:
    from serving import Serve


@pytest.mark.parametrize("path", SCRIPTS)
async def test_the_client_is_served_without_a_key(serve: Serve, path: str) -> None:
    async with serve(security=SecuritySettings(api_keys=("secret",))) as server:
        async with server.client.get(server.url + path) as response:
            assert (response.status, response.content_type) == (200, "text/javascript")
            assert len(await response.text()) > 500
        assert (await server.get("/static/other.js"))[0] in (401, 404)
