"""Subtitles: the finals of a recording cut into cues that can be read, written as SubRip or WebVTT."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fastring.events import Final

__all__ = ["Cue", "cues_of", "srt", "vtt"]

MAX_CHARACTERS = 84
"""Two lines of 42, which is what broadcasters allow."""

MAX_SECONDS = 7.0

_SHORTEST_MS = 1000

_SENTENCE_END = re.compile(r"""[.!?…。！？]["'”’)\]]?$""")


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: times in milliseconds, end after start."""

    start_ms: int
    end_ms: int
    text: str


def cues_of(
    finals: Iterable[Final],
    sample_rate: int = 16_000,
    *,
    max_characters: int = MAX_CHARACTERS,
    max_seconds: float = MAX_SECONDS,
) -> list[Cue]:
    """Cut finals into cues: at the end of each, of a sentence, and before one would be too long to read.

    A cue begins where its first word does and ends with its last, or after a second, if the next one does not begin
    before; no two overlap. A word that is too long by itself is not cut.

    Args:
        finals: in order; those without text give no cue.
        sample_rate: that their times count in, in Hz.
        max_characters: in one cue.
        max_seconds: of one cue.
    """
    cues: list[Cue] = []
    for final in finals:
        for text, start, end in _pieces(final, max_characters, round(max_seconds * sample_rate)):
            start_ms = max(round(start * 1000 / sample_rate), cues[-1].end_ms if cues else 0)
            end_ms = max(round(end * 1000 / sample_rate), start_ms + 1)
            cues.append(Cue(start_ms, end_ms, text))
    return [_long_enough(cue, after) for cue, after in zip_longest(cues, cues[1:])]


def srt(cues: Iterable[Cue]) -> str:
    """SubRip: number, times, text, an empty line."""
    return "".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{_one_line(cue.text)}\n\n"
        for number, cue in enumerate(cues, 1)
    )


def vtt(cues: Iterable[Cue]) -> str:
    """WebVTT (W3C): the header, then times, text, an empty line; what would be markup is escaped."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{_escaped(_one_line(cue.text))}\n\n"
        for cue in cues
    )


def _pieces(final: Final, max_characters: int, max_samples: int) -> Iterator[tuple[str, int, int]]:
    """Text, first and last sample of each cue of a final."""
    if not final.words:
        if final.text:
            yield final.text, final.start, final.end
        return
    begin, end, first, last = 0, 0, final.words[0], final.words[0]
    for word in final.words:
        after = final.text.index(word.text, end) + len(word.text)
        too_long = after - begin > max_characters or word.end - first.start > max_samples
        if end > begin and (too_long or _SENTENCE_END.search(final.text[begin:end])):
            yield final.text[begin:end], first.start, last.end
            begin, first = after - len(word.text), word
        end, last = after, word
    yield final.text[begin:end], first.start, last.end


def _long_enough(cue: Cue, after: Cue | None) -> Cue:
    latest_ms = cue.start_ms + _SHORTEST_MS if after is None else min(cue.start_ms + _SHORTEST_MS, after.start_ms)
    return replace(cue, end_ms=max(cue.end_ms, latest_ms))


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{ms:03}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
