from __future__ import annotations

from fastring.events import Final, Latency, Transcript, Word
from fastring.protocols.deepgram_prerecorded import Recording, answer
from fastring.protocols.deepgram_results import ModelInfo

MODEL = ModelInfo("digits", "1", "engine")
RECORDING = Recording("5f7c3f0e-3ad1-4b7e-8f5e-7f0b6a4f2f11", "2026-01-02T03:04:05.678Z", "ab" * 32, 3.0, 1)


def final(text: str, start_s: float) -> Final:
    """A final of half a second a word."""
    first = round(start_s * 16_000)
    words = tuple(
        Word(word, first + 8_000 * n, first + 8_000 * (n + 1), 0.5 + 0.1 * n) for n, word in enumerate(text.split())
    )
    return Final(0, 0, text, words, 0.6, first, words[-1].end, Latency(0, 0, 0, 0))


def transcript(*finals: Final, language: str = "") -> Transcript:
    return Transcript(" ".join(it.text for it in finals), finals, 48_000, language)


TWO = transcript(final("One two. Three", 0.0), final("Four.", 2.0), language="en")


def test_the_body_has_what_every_client_reads() -> None:
    body = answer(RECORDING, [TWO], MODEL)
    assert body == {
        "metadata": {
            "transaction_key": "deprecated",
            "request_id": RECORDING.request_id,
            "sha256": "ab" * 32,
            "created": "2026-01-02T03:04:05.678Z",
            "duration": 3.0,
            "channels": 1,
            "models": [MODEL.model_uuid],
            "model_info": {MODEL.model_uuid: {"name": "digits", "version": "1", "arch": "engine"}},
        },
        "results": {
            "channels": [
                {
                    "alternatives": [
                        {
                            "transcript": "one two three four",
                            "confidence": 0.575,
                            "words": [
                                {"word": "one", "start": 0.0, "end": 0.5, "confidence": 0.5},
                                {"word": "two", "start": 0.5, "end": 1.0, "confidence": 0.6},
                                {"word": "three", "start": 1.0, "end": 1.5, "confidence": 0.7},
                                {"word": "four", "start": 2.0, "end": 2.5, "confidence": 0.5},
                            ],
                        }
                    ]
                }
            ]
        },
    }
    assert "request_id" not in body  # the SDK would take the answer for that of a callback


def test_utterances_of_all_channels_stand_by_their_start() -> None:
    other = transcript(final("Five", 0.25))
    body = answer(RECORDING, [TWO, other], MODEL, utterances=True, punctuate=True)
    told = body["results"]["utterances"]
    assert [(it["start"], it["end"], it["channel"], it["transcript"]) for it in told] == [
        (0.0, 1.5, 0, "One two. Three"),
        (0.25, 0.75, 1, "Five"),
        (2.0, 2.5, 0, "Four."),
    ]
    assert len({it["id"] for it in told}) == 3
    assert told[0]["words"][1]["punctuated_word"] == "two."
    assert told[0]["confidence"] == 0.6


def test_a_paragraph_is_an_utterance_cut_into_sentences() -> None:
    told = answer(RECORDING, [TWO], MODEL, paragraphs=True, punctuate=True)["results"]["channels"][0]
    paragraphs = told["alternatives"][0]["paragraphs"]
    assert paragraphs["transcript"] == "One two. Three\n\nFour."
    assert paragraphs["paragraphs"][0] == {
        "sentences": [{"text": "One two.", "start": 0.0, "end": 1.0}, {"text": "Three", "start": 1.0, "end": 1.5}],
        "num_words": 3,
        "start": 0.0,
        "end": 1.5,
    }


def test_a_language_is_told_where_it_is_known_and_wanted() -> None:
    body = answer(RECORDING, [TWO, transcript(final("x", 0.0))], MODEL, detect_language=True)
    assert [channel.get("detected_language") for channel in body["results"]["channels"]] == ["en", None]


def test_silence_is_an_empty_transcript() -> None:
    body = answer(RECORDING, [transcript()], MODEL, utterances=True, paragraphs=True)
    spoken = body["results"]["channels"][0]["alternatives"][0]
    assert (spoken["transcript"], spoken["confidence"], spoken["words"]) == ("", 0.0, [])
    assert spoken["paragraphs"] == {"transcript": "", "paragraphs": []}
    assert body["results"]["utterances"] == []
