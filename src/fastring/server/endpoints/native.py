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
from fastring.server.surface import answers
from fastring.server.surface.operation import JSON, MULTIPART, Operation

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
        Page(
            "POST",
            "/api/v1/stream/start/{stream_id}",
            http.start,
            operation=Operation(
                "Start an analysis stream that outlives its connections",
                answers.StreamStats,
                status=201,
                body=answers.AudioParameters,
                body_media=JSON,
                body_required=False,
                errors=(400, 408, 409, 413, 503),
            ),
        ),
        Page(
            "POST",
            "/api/v1/stream/stop/{stream_id}",
            http.stop,
            operation=Operation("Stop a stream; its last stats", answers.StreamStats, errors=(400, 404)),
        ),
        Page(
            "GET",
            "/api/v1/stream/stats/{stream_id}",
            http.stats,
            operation=Operation("Stats of one stream", answers.StreamStats, errors=(400, 404)),
        ),
        Page(
            "GET",
            "/api/v1/stream/list",
            http.list_streams,
            operation=Operation("All streams, briefly", answers.StreamList),
        ),
        Page(
            "GET",
            "/api/v1/stream/health",
            http.health,
            open_to_all=True,
            operation=Operation("What runs here; 503 while it goes down", answers.Health, also=(503,)),
        ),
        Page(
            "POST",
            "/verify",
            verify_upload,
            operation=Operation(
                "Judge a whole recitation",
                answers.Verification,
                body=answers.VerificationForm,
                body_media=MULTIPART,
                errors=(400, 404, 408, 413, 415, 503),
            ),
        ),
        Page(
            "GET",
            "/api/v1/stream/debug",
            debug_all,
            operation=Operation("What every stream holds and waits for", answers.Debug),
        ),
        Page(
            "GET",
            "/api/v1/stream/debug/{stream_id}",
            debug,
            operation=Operation("What one stream holds and waits for", answers.StreamDebug, errors=(400, 404)),
        ),
        *(
            Page(
                "GET",
                path,
                script,
                open_to_all=True,
                operation=Operation("A file of the JavaScript client", media=("text/javascript",)),
            )
            for path in SCRIPTS
        ),
    ),
)
