"""The dashboard: one page from local files, a client of the native protocol like any other."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from aiohttp import ETag, web

from fastring.protocols.messages import shown
from fastring.recordings import recording, recording_path
from fastring.server.family import Family, Page
from fastring.server.problems import Problem
from fastring.server.surface.answers import SampleRecordings
from fastring.server.surface.operation import Operation

if TYPE_CHECKING:
    from fastring.server.surface.answers import SampleRecording

__all__ = ["DASHBOARD", "FILES", "RECORDINGS", "index", "page_file", "recording_file", "recording_list"]

_MEDIA: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_STYLES: Final = ("colours.css", "layout.css", "cards.css")
_MODULES: Final = (
    "app.js",
    "dom.js",
    "feed.js",
    "feedback.js",
    "fft.js",
    "format.js",
    "key.js",
    "measures.js",
    "notices.js",
    "painter.js",
    "run.js",
    "server.js",
    "session.js",
    "sources.js",
    "spectrum.js",
    "stream.js",
    "transcript.js",
    "troubles.js",
    "waveform.js",
)

FILES: Final = (*_STYLES, *_MODULES, "icon.svg")
"""What the page loads from `/dashboard/`."""

RECORDINGS: Final = ("seen_8", "stream", "unseen_2", "seen_2", "noise")
"""Those that may be tried, the first of them unless another is chosen."""

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # kept, but asked for: after an upgrade no old module meets a new one
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it goes out: plain, compressed, and the tag by which a browser knows that it has it."""

    body: bytes
    compressed: bytes
    tag: str
    media: str


async def index(request: web.Request) -> web.Response:
    """The page."""
    return _answer(request, "index.html")


async def page_file(request: web.Request) -> web.Response:
    """One of the files it loads."""
    name = request.match_info["file"]
    if name not in FILES:
        raise Problem(404, "not_found", f"the dashboard has no file {shown(name)}", param="file")
    return _answer(request, name)


async def recording_list(_request: web.Request) -> web.Response:
    """The recordings that may be tried, and what is said in them."""
    found: list[SampleRecording] = [
        {"name": item.name, "text": item.text, "duration_s": item.duration_s} for item in map(recording, RECORDINGS)
    ]
    return web.json_response({"recordings": found})


async def recording_file(request: web.Request) -> web.FileResponse:
    """One of them, as WAV."""
    name = request.match_info["name"]
    if name not in RECORDINGS:
        raise Problem(404, "not_found", f"{shown(name)} is none of {', '.join(RECORDINGS)}", param="name")
    headers = {"Cache-Control": "public, max-age=3600", "Content-Type": "audio/wav"}
    return web.FileResponse(recording_path(name), headers=headers)


def _answer(request: web.Request, name: str) -> web.Response:
    """A file; one that the browser has already is not sent again."""
    file = _read(name)
    response = web.Response(status=304, headers={**_HEADERS, "Vary": "Accept-Encoding"})
    if not _has(request, file.tag):
        response = web.Response(body=file.body, content_type=file.media, charset="utf-8", headers=response.headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            response.body = file.compressed
            response.headers["Content-Encoding"] = "gzip"
    response.etag = ETag(file.tag, is_weak=True)  # the same for both forms
    return response


def _has(request: web.Request, tag: str) -> bool:
    return any(known.value in (tag, "*") for known in request.if_none_match or ())


@cache
def _read(name: str) -> _File:
    body = (files("fastring") / "server" / "dashboard" / name).read_bytes()
    media = _MEDIA["." + name.rpartition(".")[2]]
    return _File(body, gzip.compress(body, mtime=0), hashlib.sha256(body).hexdigest()[:16], media)


DASHBOARD: Final = Family(
    "dashboard",
    pages=(
        Page(
            "GET",
            "/",
            index,
            open_to_all=True,
            operation=Operation("The dashboard: sound in, everything out, in a browser", media=("text/html",)),
        ),
        Page(
            "GET",
            "/dashboard/{file}",
            page_file,
            open_to_all=True,
            operation=Operation("A file of the dashboard", media=tuple(sorted(_MEDIA.values())), errors=(404,)),
        ),
        Page(
            "GET",
            "/dashboard/recordings",
            recording_list,
            open_to_all=True,
            operation=Operation("The recordings that the dashboard offers", SampleRecordings),
        ),
        Page(
            "GET",
            "/dashboard/recordings/{name}",
            recording_file,
            open_to_all=True,
            operation=Operation("One of these recordings", media=("audio/wav",), errors=(404,)),
        ),
    ),
)
