"""OpenAI's endpoints: the table of paths."""

from __future__ import annotations

from typing import Final

from fastring.protocols.openai_realtime import MAX_MESSAGE_BYTES
from fastring.server.endpoints import openai_http as http
from fastring.server.endpoints.openai_realtime import open_realtime
from fastring.server.family import Family, Page, SocketRoute

__all__ = ["OPENAI"]

OPENAI: Final = Family(
    "openai",
    sockets=(SocketRoute("openai_realtime", "/v1/realtime", open_realtime, MAX_MESSAGE_BYTES),),
    pages=(
        Page("POST", "/v1/audio/transcriptions", http.transcriptions),
        Page("GET", "/v1/models", http.models),
        Page("GET", "/v1/models/{model}", http.model),
    ),
    refuse=http.refuse,
)
"""Transcription of recordings and of live speech, and the models, at `base_url = http://HOST:PORT/v1`."""
