"""What is used of faster-whisper and CTranslate2: the only file that imports them.

They are imported late, and what they raise becomes an error that says what to do next.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fastring.errors import ConfigError, ModelUnavailableError

if TYPE_CHECKING:
    from fastring.config import AsrSettings

__all__ = ["Library", "choose_device", "load_library", "load_model"]


class Library:
    """What is used of both; importing them takes most of a second."""

    def __init__(self) -> None:
        # Idle OpenMP threads would spin, and take the cores from the other workers (10x slower when contended).
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        os.environ.setdefault("KMP_BLOCKTIME", "0")
        import ctranslate2
        import faster_whisper
        from faster_whisper.tokenizer import Tokenizer

        self.ctranslate2 = ctranslate2
        self.whisper_model = faster_whisper.WhisperModel
        self._tokenizer = Tokenizer

    def tokenizer(self, model: Any, language: str) -> Any:
        """The tokens of a model, set to transcribe a language."""
        return self._tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)


def load_library() -> Library:
    """The library.

    Raises:
        ModelUnavailableError: if it is not installed.
    """
    try:
        return Library()
    except ImportError as error:
        raise ModelUnavailableError(
            f"The engine faster-whisper is not installed ({error}):\n  pip install 'fastring[asr]'"
        ) from error


def choose_device(library: Library, settings: AsrSettings) -> tuple[str, str]:
    """Device and compute type, chosen where the settings leave it open: int8 on a CPU, float16 on a GPU.

    Raises:
        ConfigError: if the settings name what this machine does not have.
    """
    device = settings.device
    if device == "auto":
        device = "cuda" if library.ctranslate2.get_cuda_device_count() > 0 else "cpu"
    try:
        supported = set(library.ctranslate2.get_supported_compute_types(device))
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"asr.device = {settings.device!r}: must be cpu, cuda or auto ({error})") from error
    compute_type = settings.compute_type
    if compute_type == "default":
        wanted = "int8" if device == "cpu" else "float16"
        return device, wanted if wanted in supported else "default"
    if compute_type not in supported | {"auto"}:
        raise ConfigError(
            f"asr.compute_type = {compute_type!r}: {device} supports default, auto, {', '.join(sorted(supported))}"
        )
    return device, compute_type


def load_model(
    library: Library, path: str, device: str, compute_type: str, workers: int, threads: int, settings: AsrSettings
) -> Any:
    """A model that is ready to run.

    Raises:
        ModelUnavailableError: if what stands at `path` cannot be loaded.
    """
    try:
        return library.whisper_model(
            path, device=device, compute_type=compute_type, cpu_threads=threads, num_workers=workers
        )
    except Exception as error:
        raise ModelUnavailableError(f"The model {settings.model!r} ({path}) cannot be loaded: {error}") from error
