"""fastring's own endpoints: the table of paths."""

from __future__ import annotations

from typing import Final

from fastring.server.endpoints import native_http as http
from fastring.server.endpoints.native_debug import debug, debug_all
from fastring.server.endpoints.native_live import open_live
from fastring.server.endpoints.native_recite import open_recitation, verify_upload
from fastring.server.endpoints.native_sockets import open_audio, open_control, open_voice
from fastring.server.endpoints.native_static import SCRIPTS, script
from fastring.server.family import Family, Page, SocketRoute

__all__ = ["NATIVE"]

NATIVE: Final = Family(
    "native",
    sockets=(
        SocketRoute("audio", "/api/v1/stream/audio/{stream_id}", open_audio),
        SocketRoute("control", "/api/v1/stream/control/{stream_id}", open_control),
        SocketRoute("voice", "/api/v1/stream/voice/{stream_id}", open_voice),
        SocketRoute("live", "/ws/live", open_live),
        SocketRoute("recite", "/ws/recite", open_recitation),
    ),
    pages=(
        Page("POST", "/api/v1/stream/start/{stream_id}", http.start),
        Page("POST", "/api/v1/stream/stop/{stream_id}", http.stop),
        Page("GET", "/api/v1/stream/stats/{stream_id}", http.stats),
        Page("GET", "/api/v1/stream/list", http.list_streams),
        Page("GET", "/api/v1/stream/health", http.health, open_to_all=True),
        Page("POST", "/verify", verify_upload),
        Page("GET", "/api/v1/stream/debug", debug_all),
        Page("GET", "/api/v1/stream/debug/{stream_id}", debug),
        Page("GET", "/metrics", http.metrics),
        Page("GET", "/metrics/streaming", http.streaming_metrics),
        Page("GET", "/", http.index, open_to_all=True),
        *(Page("GET", path, script, open_to_all=True) for path in SCRIPTS),
    ),
)
