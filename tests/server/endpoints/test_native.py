from __future__ import annotations

from fastring.server.endpoints.native import NATIVE


def test_every_path_of_ours_is_under_our_own_roots() -> None:
    paths = {route.path for route in (*NATIVE.sockets, *NATIVE.pages)}
    assert len(paths) == len(NATIVE.sockets) + len(NATIVE.pages)
    assert all(
        path.startswith(
            ("/api/v1/stream/", "/metrics", "/ws/", "/verify", "/static/fastring", "/livez", "/readyz", "/api/")
        )
        for path in paths
    )
