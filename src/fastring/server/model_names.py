"""Which model and which language a client may ask for: the loaded ones, by any of their names."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from fastring.server.problems import Problem

if TYPE_CHECKING:
    from fastring.server.services import Services

__all__ = ["check_language", "check_model"]


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
        raise Problem(400, "unknown_model", f"model {model!a} is not loaded here: {loaded!a} is", param="model")


def check_language(services: Services, language: str) -> str:
    """The language, if the engine has it; of a tag as browsers send it (`en-US`) the language alone.

    Raises:
        Problem: 400.
    """
    has = services.capabilities.languages
    primary = re.split("[-_]", language, maxsplit=1)[0].lower()
    if primary and has and primary not in has:
        raise Problem(400, "unknown_language", f"the engine knows {', '.join(has)}", param="language")
    return primary
