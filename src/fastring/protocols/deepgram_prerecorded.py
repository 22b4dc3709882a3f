"""Deepgram's answer to a recording (`POST /v1/listen`): the transcripts of its channels as one JSON object."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastring.protocols.deepgram_results import ModelInfo, alternative, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastring.events import Final, Transcript, Word

__all__ = ["Recording", "answer"]

_RATE = 16_000
_SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")


@dataclass(frozen=True, slots=True)
class Recording:
    """What was uploaded.

    Attributes:
        request_id: UUID of the request.
        created: when it came, ISO 8601 in UTC.
        sha256: of its bytes, in hex.
        duration_s: of its audio.
        channels: that it has.
    """

    request_id: str
    created: str
    sha256: str
    duration_s: float
    channels: int


def answer(
    recording: Recording,
    transcripts: Sequence[Transcript],
    model: ModelInfo,
    *,
    punctuate: bool = False,
    utterances: bool = False,
    paragraphs: bool = False,
    detect_language: bool = False,
) -> dict[str, Any]:
    """The whole body.

    Args:
        recording: what was uploaded.
        transcripts: one for each channel that was heard.
        model: the loaded one.
        punctuate: as the engine wrote it; without, in lower case and without punctuation around words.
        utterances: list the utterances of all channels, by their start.
        paragraphs: add each channel's paragraphs, one an utterance, and their sentences.
        detect_language: say each channel's language.
    """
    results: dict[str, Any] = {
        "channels": [
            {
                "alternatives": [_alternative(transcript, punctuate, paragraphs)],
                **({"detected_language": transcript.language} if detect_language and transcript.language else {}),
            }
            for transcript in transcripts
        ]
    }
    if utterances:
        results["utterances"] = list(_utterances(recording, transcripts, punctuate))
    return {
        "metadata": {
            "transaction_key": "deprecated",
            "request_id": recording.request_id,
            "sha256": recording.sha256,
            "created": recording.created,
            "duration": round(recording.duration_s, 3),
            "channels": recording.channels,
            "models": [model.model_uuid],
            "model_info": model.by_id(),
        },
        "results": results,
    }


def _alternative(transcript: Transcript, punctuate: bool, paragraphs: bool) -> dict[str, Any]:
    words = [word for final in transcript.finals for word in final.words]
    confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
    spoken = alternative(transcript.text, words, confidence, sample_rate=_RATE, punctuate=punctuate)
    return {**spoken, **({"paragraphs": _paragraphs(transcript.finals, punctuate)} if paragraphs else {})}


def _utterances(recording: Recording, transcripts: Sequence[Transcript], punctuate: bool) -> Iterator[dict[str, Any]]:
    said = [(channel, final) for channel, transcript in enumerate(transcripts) for final in transcript.finals]
    for number, (channel, final) in enumerate(sorted(said, key=lambda it: (it[1].start, it[0]))):
        yield {
            "start": seconds(final.words[0].start, _RATE),
            "end": seconds(final.words[-1].end, _RATE),
            "channel": channel,
            **alternative(final.text, final.words, final.confidence, sample_rate=_RATE, punctuate=punctuate),
            "id": str(uuid.uuid5(uuid.UUID(recording.request_id), str(number))),
        }


def _paragraphs(finals: Sequence[Final], punctuate: bool) -> dict[str, Any]:
    paragraphs = [_paragraph(final, punctuate) for final in finals]
    texts = [" ".join(sentence["text"] for sentence in paragraph["sentences"]) for paragraph in paragraphs]
    return {"transcript": "\n\n".join(texts), "paragraphs": paragraphs}


def _paragraph(final: Final, punctuate: bool) -> dict[str, Any]:
    return {
        "sentences": list(_sentences(final, punctuate)),
        "num_words": len(final.words),
        "start": seconds(final.words[0].start, _RATE),
        "end": seconds(final.words[-1].end, _RATE),
    }


def _sentences(final: Final, punctuate: bool) -> Iterator[dict[str, Any]]:
    """The final's text, cut after the words that end a sentence."""
    words: list[Word] = []
    begin = at = 0
    for number, word in enumerate(final.words):
        words.append(word)
        at = max(at, final.text.find(word.text, at) + len(word.text))
        if word.text.endswith(_SENTENCE_ENDS) or number == len(final.words) - 1:
            text = final.text[begin:at].strip()
            spoken = alternative(text, words, 0.0, sample_rate=_RATE, punctuate=punctuate)
            yield {
                "text": spoken["transcript"],
                "start": seconds(words[0].start, _RATE),
                "end": seconds(word.end, _RATE),
            }
            words, begin = [], at
