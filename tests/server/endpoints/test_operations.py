from __future__ import annotations

from typing import TYPE_CHECKING

from fastring.config import SecuritySettings, ServerSettings, Settings

if TYPE_CHECKING:
    from serving import Running, Serve


async def test_alive_and_ready(server: Running) -> None:
    assert await server.get("/livez") == (200, {"status": "alive"})
    assert await server.get("/readyz") == (200, {"status": "ready"})


async def test_a_draining_server_lives_and_is_not_ready(server: Running) -> None:
    server.services.registry.draining = True
    assert await server.get("/livez") == (200, {"status": "alive"})
    assert await server.get("/readyz") == (503, {"status": "draining"})


async def test_without_an_engine_it_is_not_ready(server: Running) -> None:
    server.services.pool.close(0)
    assert await server.get("/readyz") == (503, {"status": "no engine worker"})


async def test_probes_need_no_key_and_metrics_do(serve: Serve) -> None:
    async with serve(security=SecuritySettings(api_keys=("secret",))) as server:
        assert [(await server.get(path))[0] for path in ("/livez", "/readyz", "/metrics")] == [200, 200, 401]


async def test_they_are_there_whatever_protocols_are_served(serve: Serve) -> None:
    async with serve(Settings(server=ServerSettings(port=0, protocols=("deepgram",)))) as server:
        assert (await server.get("/readyz"))[0] == 200
        assert (await server.get("/metrics"))[0] == 200
        assert (await server.get("/api/v1/stream/list"))[0] == 404
