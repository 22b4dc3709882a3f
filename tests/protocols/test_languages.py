from __future__ import annotations

import pytest

from fastring.protocols.languages import LANGUAGE_NAMES, language_name


def test_names_are_said_and_what_is_unknown_stays() -> None:
    assert [language_name(code) for code in ("en", "ht", "yue", "xx", "")] == [
        "english",
        "haitian creole",
        "cantonese",
        "xx",
        "",
    ]


def test_every_language_of_whisper_has_a_name() -> None:
    tokenizer = pytest.importorskip("faster_whisper.tokenizer")
    assert set(tokenizer._LANGUAGE_CODES) == set(LANGUAGE_NAMES)
    assert len(set(LANGUAGE_NAMES.values())) == len(LANGUAGE_NAMES)
