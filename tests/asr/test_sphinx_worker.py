from __future__ import annotations

import io
from dataclasses import dataclass, field

import pytest

from fastring.asr.sphinx_worker import read_words, serve, write_request


@dataclass
class Segment:
    word: str
    start_frame: int
    end_frame: int
    prob: float


@dataclass
class FakeDecoder:
    """Hears one word a byte."""

    calls: list[str] = field(default_factory=list)
    heard: bytes = b""

    def get_cmn(self, update: bool) -> str:
        return "first"

    def set_cmn(self, cmn: str) -> None:
        self.calls.append(f"cmn {cmn}")

    def start_utt(self) -> None:
        self.calls.append("start")
        self.heard = b""

    def process_raw(self, pcm: bytes) -> None:
        self.heard += pcm

    def end_utt(self) -> None:
        self.calls.append("end")

    def hyp(self) -> str | None:
        return self.heard.decode() or None

    def seg(self) -> list[Segment]:
        return [Segment(chr(byte), i, i, 0.5) for i, byte in enumerate(self.heard)]


def converse(*requests: tuple[bytes, bool, bool]) -> tuple[FakeDecoder, io.BytesIO]:
    pipe, answers, decoder = io.BytesIO(), io.BytesIO(), FakeDecoder()
    for pcm, begins, ends in requests:
        write_request(pipe, pcm, is_new=pcm.isupper(), begins=begins, ends=ends)
    pipe.seek(0)
    serve(decoder, pipe, answers)
    answers.seek(0)
    return decoder, answers


def test_an_utterance_grows_and_the_next_begins_anew() -> None:
    decoder, answers = converse((b"a", True, False), (b"b", False, False), (b"", False, True), (b"c", True, True))
    texts = ["".join(word[0] for word in read_words(answers)) for _ in range(4)]
    assert texts == ["a", "ab", "ab", "c"]
    assert decoder.calls == ["start", "end", "start", "end"]


def test_an_utterance_that_was_left_is_ended_first() -> None:
    decoder, _ = converse((b"a", True, False), (b"b", True, False))
    assert decoder.calls == ["start", "end", "start"]


def test_of_a_new_voice_nothing_is_known() -> None:
    decoder, _ = converse((b"A", True, True), (b"b", True, True), (b"C", True, True))
    assert decoder.calls == ["cmn first", "start", "end", "start", "end", "cmn first", "start", "end"]


def test_what_nobody_began_begins() -> None:
    decoder, answers = converse((b"a", False, True))
    assert decoder.calls == ["start", "end"]
    assert read_words(answers) == [("a", 0, 0, 0.5)]


def test_silence_is_no_words() -> None:
    _, answers = converse((b"", True, True))
    assert read_words(answers) == []


@pytest.mark.parametrize("left", [b"", b'[["a",0'])
def test_a_process_that_is_gone_says_nothing_more(left: bytes) -> None:
    with pytest.raises(EOFError):
        read_words(io.BytesIO(left))
