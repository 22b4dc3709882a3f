"""Recordings of real speech that ship with fastring, with what is said in them: for the demo, the docs and the tests.

Spoken digits, 16 kHz mono PCM16 WAV. Nothing in them was heard by the `digits` model in training: the speaker of the
`unseen` ones not at all. Licence and credits: `LICENSE.txt` beside this file (CC BY-SA 4.0).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastring.errors import ConfigError

__all__ = ["Recording", "SpokenWord", "recording", "recording_path", "recordings"]

_FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word that is said in a recording, and when, in seconds."""

    text: str
    start_s: float
    end_s: float
    speaker: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A bundled recording and the truth about it."""

    name: str
    kind: str
    path: Path
    duration_s: float
    text: str
    words: tuple[SpokenWord, ...]


@cache
def recordings() -> tuple[Recording, ...]:
    """All of them, in the order of `index.json`."""
    index = json.loads((_FOLDER / "index.json").read_text(encoding="utf-8"))
    return tuple(
        Recording(
            name=item["name"],
            kind=item["kind"],
            path=_FOLDER / f"{item['name']}.wav",
            duration_s=item["duration_s"],
            text=item["text"],
            words=tuple(SpokenWord(w["text"], w["start_s"], w["end_s"], w["speaker"]) for w in item["words"]),
        )
        for item in index["items"]
    )


def recording(name: str) -> Recording:
    """The recording of that name.

    Raises:
        ConfigError: if there is none; the message lists the names.
    """
    for item in recordings():
        if item.name == name:
            return item
    raise ConfigError(f"no recording {name!r}: there are {', '.join(item.name for item in recordings())}")


def recording_path(name: str) -> Path:
    """Where the WAV file of that recording lies. See `recording`."""
    return recording(name).path
