from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fastring.asr.transcriber import Capabilities
from fastring.config import Settings
from fastring.server.model_names import check_language, check_model
from fastring.server.problems import Problem


@pytest.mark.parametrize("name", ["", "digits", "base", "default", "whisper-1", "gpt-4o-mini-transcribe", "nova-2"])
def test_the_loaded_model_has_many_names(name: str) -> None:
    assert is_taken(name)


def is_taken(name: str) -> bool:
    try:
        check_model(_services("/models/digits"), name)
    except Problem:
        return False
    return True


@pytest.mark.parametrize("name", ["large-v3", "nova", "../digits"])
def test_another_model_is_refused_by_name(name: str) -> None:
    assert not is_taken(name)
    with pytest.raises(Problem, match="is not loaded here: '/models/digits' is"):
        check_model(_services("/models/digits"), name)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("", ""), ("en", "en"), ("EN", "en"), ("en-US", "en"), ("English", "en"), ("pt_BR", None), ("xx", None)],
)
def test_a_language_tag_means_its_language(asked: str, meant: str | None) -> None:
    services = _services("model")
    if meant is None:
        with pytest.raises(Problem, match=f"language = {asked!r}: the engine knows en, de"):
            check_language(services, asked)
    else:
        assert check_language(services, asked) == meant


def _services(model: str) -> Any:
    return SimpleNamespace(capabilities=Capabilities("engine", model, languages=("en", "de")), settings=Settings())
