"""Make a Whisper model with random weights of a real model's size: it costs what the real one costs, and hears nothing.

    python scripts/random_whisper.py tiny.en build/models/tiny.en-random

Whatever the audio, it says the same ten words: the positions of its decoder point at the next token so strongly that
nothing else counts. So decoding ends as it does after a short sentence, and costs compare from run to run.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import whisper_spec

SIZES = {"micro.en": (64, 1, 1), "tiny.en": (384, 6, 4), "base.en": (512, 8, 6), "small.en": (768, 12, 12)}
WORDS = ("the", "of", "and", "to", "in", "is", "you", "that", "it", "he")
N_BYTES, FIRST_SPECIAL, VOCABULARY = 256, 50_256, 51_864
SPECIAL = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)
FIRST_TIME = FIRST_SPECIAL + len(SPECIAL)
N_MELS, AUDIO_POSITIONS, TEXT_POSITIONS = 80, 1500, 448
SPREAD = 0.02  # standard deviation of the weights, as they are initialised
CERTAINTY = 30.0  # how far a position outweighs everything that is added to it
CLARITY = 800.0  # how clear the choice among all tokens is: some 16 above the others


def make(size: str, folder: Path, seed: int = 0) -> None:
    """Write a CTranslate2 model of that size, with int8 weights, into a folder."""
    width, heads, layers = SIZES[size]
    rng = np.random.default_rng(seed)
    spec = whisper_spec.WhisperSpec(layers, heads, layers, heads)
    spec._visit(lambda part, name, value: _fill(part, name, value, width, rng))
    spec.decoder.projection.weight *= CLARITY / width
    spec.decoder.position_encodings.encodings = _saying_words(spec.decoder.projection.weight, rng)
    spec.config.alignment_heads = [[layers - 1, head] for head in range(heads)]
    spec.config.suppress_ids = spec.config.suppress_ids_begin = spec.config.lang_ids = []
    tokens = _tokens()
    spec.register_vocabulary(tokens)
    spec.validate()
    spec.optimize(quantization="int8")
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer(tokens)), encoding="utf-8")
    features = {"chunk_length": 30, "feature_size": N_MELS, "hop_length": 160, "n_fft": 400, "sampling_rate": 16_000}
    (folder / "preprocessor_config.json").write_text(json.dumps(features), encoding="utf-8")


def _fill(part: Any, name: str, value: Any, width: int, rng: np.random.Generator) -> None:
    """Give a variable of the model random values, or those that change nothing."""
    *_, owner, leaf = name.split("/")
    if leaf == "gamma":
        part.gamma, part.beta = np.ones(width, np.float32), np.zeros(width, np.float32)
    elif leaf == "encodings":
        part.encodings = _random((AUDIO_POSITIONS, width), rng)
    elif leaf == "weight" and value is None:
        part.weight = _random(_shape(name, width), rng)
        if owner not in ("projection", "embeddings"):
            part.bias = np.zeros(part.weight.shape[0], np.float32)


def _shape(name: str, width: int) -> tuple[int, ...]:
    if name.endswith(("projection/weight", "embeddings/weight")):
        return VOCABULARY, width
    if "conv" in name:
        return width, N_MELS if "conv1" in name else width, 3
    *_, block, owner, _ = name.split("/")
    rows, columns = {
        ("self_attention", "linear_0"): (3, 1),
        ("attention", "linear_1"): (2, 1),
        ("ffn", "linear_0"): (4, 1),
        ("ffn", "linear_1"): (1, 4),
    }.get((block, owner), (1, 1))
    return rows * width, columns * width


def _random(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    return (SPREAD * rng.standard_normal(shape, np.float32)).astype(np.float32)


def _saying_words(projection: Any, rng: np.random.Generator) -> Any:
    """Positions that lead the decoder through start, ten words, end time and end of text."""
    width = projection.shape[1]
    said = [FIRST_TIME, *range(N_BYTES, N_BYTES + len(WORDS)), FIRST_TIME + 100]
    positions = np.tile(projection[FIRST_SPECIAL], (TEXT_POSITIONS, 1))
    positions[: len(said)] = projection[said]
    positions *= CERTAINTY / np.linalg.norm(positions, axis=1, keepdims=True)
    return (positions + _random((TEXT_POSITIONS, width), rng)).astype(np.float32)


def _tokens() -> list[str]:
    """Bytes as GPT-2 writes them, the ten words, fillers, special tokens, times."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(N_BYTES, 2 * N_BYTES))
    tokens = [chr(byte if byte in printable else next(others)) for byte in range(N_BYTES)]
    tokens += [f"Ġ{word}" for word in WORDS]
    tokens += [f"Ġfiller{number}" for number in range(len(tokens), FIRST_SPECIAL)]
    tokens += SPECIAL
    return tokens + [f"<|{0.02 * number:.2f}|>" for number in range(VOCABULARY - len(tokens))]


def _tokenizer(tokens: list[str]) -> dict[str, Any]:
    special = [
        {"id": number, "content": tokens[number], "special": True} for number in range(FIRST_SPECIAL, VOCABULARY)
    ]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "added_tokens": [token | flags for token in special],
        "pre_tokenizer": level,
        "decoder": level,
        "model": {"type": "BPE", "vocab": {token: number for number, token in enumerate(tokens)}, "merges": []},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=list(SIZES))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    make(arguments.size, arguments.folder)
