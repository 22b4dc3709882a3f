from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fastring.asr.engines import create_transcriber
from fastring.config import AsrSettings
from fastring.errors import ConfigError, ModelUnavailableError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_scripted_engine_by_name(tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text("hello\n")
    engine = create_transcriber(AsrSettings(engine="scripted", script=str(tmp_path / "script.txt")))
    assert engine.capabilities.engine == "scripted"


def test_faster_whisper_by_name() -> None:
    engine = create_transcriber(AsrSettings(engine="faster-whisper", model="digits", device="cpu", workers=1))
    assert (engine.capabilities.engine, engine.capabilities.model) == ("faster-whisper", "digits")
    engine.close()


def test_an_unknown_engine_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="faster-whisper, scripted"):
        create_transcriber(replace(AsrSettings(), engine="parrot"))  # type: ignore[arg-type]


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(ModelUnavailableError, match=r"fastring\[asr\]"):
        create_transcriber(AsrSettings(model="digits"))


def test_the_table_loads_no_engine() -> None:
    code = "import sys, fastring.asr.engines; print('faster_whisper' in sys.modules, 'ctranslate2' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]
