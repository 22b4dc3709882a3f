"""Which model and which language a client may ask for: the loaded ones, by any of their names."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from fastring.protocols.languages import LANGUAGE_NAMES
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from fastring.server.services import Services

__all__ = ["check_language", "check_model"]

_CODES = {name: code for code, name in LANGUAGE_NAMES.items()}


def check_model(services: Services, model: str) -> None:
    """Let pass the loaded model, by any of its names: its own, the configured one, `server.model_aliases`.

    Raises:
        Problem: 400.
    """
    loaded = services.capabilities.model
    configured = services.settings.asr.model
    names = {loaded, configured, PurePath(loaded).name, PurePath(configured).name, "default"}
    names.update(services.settings.server.model_aliases)
    if model and model not in names:
        message = f"model {model!a} is not loaded here: {loaded!a} is (server.model_aliases gives it more names)"
        raise Problem(400, "unknown_model", message, param="model")


def check_language(services: Services, language: str) -> str:
    """The code of a language, if the engine has it; of a tag as browsers send it (`en-US`) the language alone.

    An English name (`English`) means its code, as it does to Whisper.

    Raises:
        Problem: 400.
    """
    has = services.capabilities.languages
    primary = re.split("[-_]", language, maxsplit=1)[0].lower()
    primary = _CODES.get(language.lower(), primary)
    if primary and has and primary not in has:
        message = f"language = {language[:40]!a}: the engine knows {', '.join(has)}"
        raise Problem(400, "unknown_language", message, param="language")
    return primary
