"""The process of one pocketsphinx decoder: audio comes in on stdin, words go out on stdout.

The decoder holds the GIL while it works, for seconds at the end of a long utterance; in a process of its own it stops
nobody, and a crash costs one utterance a second hearing. The only file that imports pocketsphinx.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HEADER", "read_words", "serve", "write_request"]

HEADER = struct.Struct("<BBBI")
"""Before each piece of audio: whether somebody new speaks, begins an utterance, ends it; and its bytes."""


def write_request(pipe: IO[bytes], pcm: bytes, *, is_new: bool, begins: bool, ends: bool) -> None:
    """Send audio, linear16 at 16 kHz. Where `is_new`, what was learnt of the last voice is forgotten."""
    pipe.write(HEADER.pack(is_new, begins, ends, len(pcm)) + pcm)
    pipe.flush()


def read_words(pipe: IO[bytes]) -> list[tuple[str, int, int, float]]:
    """Receive the words of the utterance so far: text, first and last frame of 10 ms, probability.

    Raises:
        EOFError: if the process is gone.
    """
    line = pipe.readline()
    if not line.endswith(b"\n"):
        raise EOFError("the decoder's process is gone")
    return [tuple(word) for word in json.loads(line)]


def serve(decoder: Any, requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    is_open, first_cmn = False, decoder.get_cmn(False)
    while len(header := requests.read(HEADER.size)) == HEADER.size:
        is_new, begins, ends, n_bytes = HEADER.unpack(header)
        pcm = requests.read(n_bytes)
        if begins or not is_open:
            if is_open:
                decoder.end_utt()
            if is_new:
                decoder.set_cmn(first_cmn)
            decoder.start_utt()
            is_open = True
        if pcm:
            decoder.process_raw(pcm)
        if ends:
            decoder.end_utt()
            is_open = False
        answers.write(json.dumps(_words(decoder)).encode() + b"\n")
        answers.flush()


def _words(decoder: Any) -> Sequence[tuple[str, int, int, float]]:
    if decoder.hyp() is None:
        return []
    return [(each.word, each.start_frame, each.end_frame, each.prob) for each in decoder.seg() or ()]


if __name__ == "__main__":
    import pocketsphinx

    serve(pocketsphinx.Decoder(loglevel="FATAL"), sys.stdin.buffer, sys.stdout.buffer)
