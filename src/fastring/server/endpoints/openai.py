"""OpenAI's endpoints: the table of paths."""

from __future__ import annotations

from typing import Final

from fastring.server.endpoints import openai_http as http
from fastring.server.family import Family, Page

__all__ = ["OPENAI"]

OPENAI: Final = Family(
    "openai",
    pages=(
        Page("POST", "/v1/audio/transcriptions", http.transcriptions),
        Page("GET", "/v1/models", http.models),
        Page("GET", "/v1/models/{model}", http.model),
    ),
    refuse=http.refuse,
)
"""Transcription of recordings and of live speech, and the models, at `base_url = http://HOST:PORT/v1`."""
