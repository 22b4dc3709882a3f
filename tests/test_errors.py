"""The error tree: one root, stable codes, whole after pickling."""

from __future__ import annotations

import pickle
import re

import pytest

from fastring import errors

CLASSES = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("error", CLASSES, ids=lambda c: c.__name__)
def test_every_error_has_one_root_and_a_wire_code(error: type[errors.FastringError]) -> None:
    assert issubclass(error, errors.FastringError)
    assert re.fullmatch(r"[a-z_]+", error.code)


@pytest.mark.parametrize("error", CLASSES, ids=lambda c: c.__name__)
def test_errors_survive_pickling(error: type[errors.FastringError]) -> None:
    original = error("1025 bytes is odd")
    copy = pickle.loads(pickle.dumps(original))
    assert type(copy) is error
    assert str(copy) == str(original)
    assert "1025 bytes is odd" in str(copy)


def test_a_protocol_error_keeps_its_facts() -> None:
    error = errors.ProtocolError("65537 bytes", code="message_too_large", close_code=1009)
    assert (error.code, error.close_code, str(error)) == ("message_too_large", 1009, "65537 bytes")


def test_a_remote_engine_says_why_and_for_how_long() -> None:
    error = errors.EngineUnavailableError("429", reason="busy", retry_after_s=2.5)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.reason, copy.retry_after_s, copy.passing, str(copy)) == ("busy", 2.5, True, "429")
    assert isinstance(copy, errors.EngineFailedError)


def test_the_docstring_draws_every_class() -> None:
    drawn = set(re.findall(r"\b(\w+Error|FastringError)\b", errors.__doc__ or ""))
    assert set(errors.__all__) <= drawn


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ConfigError, ValueError),
        (errors.AudioFormatError, ValueError),
        (errors.RangeLostError, IndexError),
        (errors.UnknownStreamError, KeyError),
        (errors.UnknownVerseError, KeyError),
        (errors.StreamExistsError, ValueError),
    ],
)
def test_errors_are_what_python_people_catch(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)
