from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fastring.asr.models import resolve_model
from fastring.asr.whisper import WhisperTranscriber
from fastring.asr.whisper_library import choose_device, load_library
from fastring.config import AsrSettings
from fastring.errors import ConfigError, ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Speech = Callable[[str], NDArray[np.float32]]


def test_a_broken_model_file_is_a_clear_error(tmp_path: Path) -> None:
    for file in resolve_model("digits").iterdir():
        (tmp_path / file.name).write_bytes(b"x" if file.name == "model.bin" else file.read_bytes())
    with pytest.raises(ModelUnavailableError, match="cannot be loaded"):
        WhisperTranscriber(AsrSettings(model=str(tmp_path)))


@pytest.mark.parametrize(
    ("setting", "value"), [("compute_type", "int3"), ("device", "abacus")], ids=["compute_type", "device"]
)
def test_settings_that_do_not_exist_name_those_that_do(setting: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"asr.{setting} = '{value}'"):
        WhisperTranscriber(replace(AsrSettings(model="digits"), **{setting: value}))


@pytest.mark.parametrize(
    ("cuda_devices", "supported", "asked", "chosen"),
    [
        (0, {"int8", "float32"}, "default", ("cpu", "int8")),
        (0, {"float32"}, "default", ("cpu", "default")),
        (0, {"int8", "float32"}, "float32", ("cpu", "float32")),
        (2, {"int8", "float16"}, "default", ("cuda", "float16")),
        (2, {"int8"}, "auto", ("cuda", "auto")),
    ],
)
def test_what_is_left_open_is_chosen_for_the_machine(
    cuda_devices: int, supported: set[str], asked: str, chosen: tuple[str, str]
) -> None:
    ctranslate2 = SimpleNamespace(
        get_cuda_device_count=lambda: cuda_devices, get_supported_compute_types=lambda device: supported
    )
    library: Any = SimpleNamespace(ctranslate2=ctranslate2)
    assert choose_device(library, AsrSettings(device="auto", compute_type=asked)) == chosen


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(ModelUnavailableError, match=r"pip install 'fastring\[asr\]'"):
        load_library()
