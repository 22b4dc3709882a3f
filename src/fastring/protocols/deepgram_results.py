"""Deepgram's words, alternatives and model descriptions: what its live and its prerecorded answers have in common."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastring.events import Word

__all__ = ["ModelInfo", "alternative", "bare_word", "seconds", "text_between"]

_NAMESPACE = uuid.UUID("c1fd5e84-8a8c-5a27-9d5b-7a4d1e1f6a5e")  # of the model ids: one for each engine and model


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The loaded model as Deepgram describes one."""

    name: str
    version: str
    arch: str

    @property
    def model_uuid(self) -> str:
        """The same for the same engine, model and version, wherever it runs."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.arch}/{self.name}/{self.version}"))

    def fields(self) -> dict[str, str]:
        """`model_info` of a result."""
        return {"name": self.name, "version": self.version, "arch": self.arch}

    def by_id(self) -> dict[str, dict[str, str]]:
        """`model_info` of metadata, which is keyed by the model's id."""
        return {self.model_uuid: self.fields()}


def seconds(sample: int, sample_rate: int) -> float:
    """The time of a sample, to the millisecond."""
    return round(sample / sample_rate, 3)


def bare_word(text: str) -> str:
    """A word in lower case without the punctuation around it; "" if it is nothing else."""
    start, end = 0, len(text)
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return text[start:end].lower()


def alternative(
    text: str, words: Sequence[Word], confidence: float, *, sample_rate: int, punctuate: bool
) -> dict[str, Any]:
    """One alternative: the transcript and its words.

    Args:
        text: of all words, joined as their script joins them.
        words: with times in samples.
        confidence: 0..1.
        sample_rate: of those samples.
        punctuate: as the engine wrote it; without, in lower case and without punctuation around words.
    """
    return {
        "transcript": text if punctuate else _bare_text(text, words),
        "confidence": round(confidence, 4),
        "words": [
            {
                "word": bare,
                "start": seconds(word.start, sample_rate),
                "end": seconds(word.end, sample_rate),
                "confidence": round(word.confidence, 4),
                **({"punctuated_word": word.text} if punctuate else {}),
            }
            for word in words
            if (bare := bare_word(word.text))
        ],
    }


def text_between(text: str, words: Sequence[Word], first: int, last: int) -> str:
    """The part of the text that words `first` up to `last` (not with it) are, as their script joins them."""
    begin = at = 0
    for index, word in enumerate(words[:last]):
        start = text.find(word.text, at)
        if start < 0:
            return " ".join(word.text for word in words[first:last])
        at = start + len(word.text)
        begin = start if index == first else begin
    return text[begin:at] if first < last else ""


def _bare_text(text: str, words: Iterable[Word]) -> str:
    """The bare words, with between them what is between them in the text: a space, or nothing where none is written."""
    parts: list[str] = []
    at, gap = 0, ""
    for word in words:
        start = text.find(word.text, at)
        gap += text[at:start] if start >= 0 else " "
        at = start + len(word.text) if start >= 0 else at
        if bare := bare_word(word.text):
            parts += [" " if gap else "", bare] if parts else [bare]
            gap = ""
    return "".join(parts)
