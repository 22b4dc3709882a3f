from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.errors import ProtocolError
from fastring.protocols.messages import MAX_JSON_DEPTH, decode_base64, field, parse_object, shown, write_object


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[1]",
        "3",
        '"text"',
        "null",
        '{"a":',
        '{"a":NaN}',
        '{"a":-Infinity}',
        "{}{}",
        '{"a":1e999}',
        '{"a":[-1e400]}',
        "9" * 5000,
    ],
)
def test_what_is_no_object_is_invalid_json(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_object(text)
    assert caught.value.code == "invalid_json"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("depth", [MAX_JSON_DEPTH + 1, 5_000, 100_000])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_deep_json_is_refused_without_recursing(depth: int, brackets: tuple[str, str]) -> None:
    text = '{"x":' + brackets[0] * depth + "1" + brackets[1] * depth + "}"
    with pytest.raises(ProtocolError) as caught:
        parse_object(text)
    assert caught.value.code == "invalid_json"


def test_json_up_to_the_limit_is_taken() -> None:
    assert parse_object('{"x":' + "[" * (MAX_JSON_DEPTH - 1) + "]" * (MAX_JSON_DEPTH - 1) + "}")


@given(st.text())
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        assert isinstance(parse_object(text), dict)
    except ProtocolError as error:
        assert error.code == "invalid_json"  # noqa: PT017


@given(st.binary())
def test_base64_round_trips(data: bytes) -> None:
    assert decode_base64(base64.b64encode(data).decode()) == data


@pytest.mark.parametrize("text", ["a", "====", "AA=A", "AAAA\n", "AAA_", "ÄÖÜß", "\ud800"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_base64(text)
    assert caught.value.code == "invalid_base64"


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, str), (1, str), ("1", int), (True, int), (1.5, int), ([], dict), (1, bool)],
)
def test_fields_of_another_type_are_refused(value: object, kind: type) -> None:
    with pytest.raises(ProtocolError, match="'x'") as caught:
        field({"x": value}, "x", kind)
    assert caught.value.code == "invalid_field"


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_what_is_written_is_utf8_and_reads_the_same(value: dict[str, object]) -> None:
    written = write_object(value)
    written.encode("utf-8")
    assert json.loads(written) == value


def test_lone_surrogates_are_escaped() -> None:
    assert write_object({"text": "\ud800ä"}) == '{"text":"\\ud800\\u00e4"}'
    assert write_object({"text": "السلام"}) == '{"text":"السلام"}'


@given(st.text(max_size=500) | st.binary(max_size=500) | st.lists(st.text()))
def test_what_is_shown_is_short_printable_ascii(value: object) -> None:
    text = shown(value)
    assert len(text) <= 60
    assert text.isascii()
    assert text.isprintable()
