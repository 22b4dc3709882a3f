from __future__ import annotations

from typing import Any

import pytest

from fastring.server.options import AudioOptions, Query, stream_id_of
from fastring.server.problems import Problem

DEFAULT = AudioOptions()


def read(**values: str) -> AudioOptions:
    return AudioOptions.read(Query(values), DEFAULT)


def test_nothing_said_is_the_default() -> None:
    assert read() == DEFAULT


def test_what_is_said_is_taken() -> None:
    assert read(encoding="mulaw", sample_rate="8000", channels="2", framing="seq32") == AudioOptions(
        "mulaw", 8_000, 2, "seq32"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("encoding", "mp3"),
        ("encoding", ""),
        ("sample_rate", "7999"),
        ("sample_rate", "192001"),
        ("sample_rate", "16e3"),
        ("sample_rate", "-16000"),
        ("sample_rate", "٨٠٠٠"),
        ("sample_rate", "9" * 5000),
        ("channels", "0"),
        ("channels", "33"),
        ("framing", "seq64"),
    ],
)
def test_what_is_wrong_names_the_parameter(name: str, value: str) -> None:
    with pytest.raises(Problem) as caught:
        read(**{name: value})
    assert (caught.value.status, caught.value.param) == (400, name)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(("value", "flag"), [("true", True), ("1", True), ("False", False), ("0", False)])
def test_flags(value: str, flag: bool) -> None:
    assert Query({"interim": value}).flag("interim", not flag) is flag


@pytest.mark.parametrize(
    ("method", "arguments", "value"),
    [
        ("flag", (True,), "perhaps"),
        ("decimal", (1, 100, 10), "nan"),
        ("decimal", (1, 100, 10), "0.5"),
        ("decimal", (1, 100, 10), "1e1"),
        ("text", ("[a-z]{2}",), "en\n"),
        ("text", ("[a-z]{2}",), "eng"),
    ],
)
def test_every_kind_refuses(method: str, arguments: Any, value: str) -> None:
    query = Query({"x": value})
    with pytest.raises(Problem):
        getattr(query, method)("x", *arguments)


def test_numbers_in_range() -> None:
    assert Query({"update_hz": "12.5"}).decimal("update_hz", 1, 100, 10) == 12.5


@pytest.mark.parametrize("text", ["a", "A-b_c.9", "x" * 128])
def test_stream_ids(text: str) -> None:
    assert stream_id_of(text) == text


@pytest.mark.parametrize("text", ["", "x" * 129, "a b", "a\n", "ä", "../x", "a/b"])
def test_what_is_no_stream_id(text: str) -> None:
    with pytest.raises(Problem, match="stream id"):
        stream_id_of(text)
