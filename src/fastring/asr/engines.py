"""The table of engines: from the name in the settings to an engine that is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastring.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.asr.transcriber import Transcriber
    from fastring.config import AsrSettings

__all__ = ["create_transcriber"]


def create_transcriber(settings: AsrSettings) -> Transcriber:
    """Load the engine that the settings name. This may take seconds, and download a model with a progress bar.

    Raises:
        ConfigError: if there is no such engine, or a setting of it is wrong.
        ModelUnavailableError: if its model or its library cannot be had; the message says what to type.
    """
    create = _ENGINES.get(settings.engine)
    if create is None:
        raise ConfigError(f"asr.engine = {settings.engine!r}: must be one of {', '.join(_ENGINES)}")
    return create(settings)


# Imported late: nobody pays for an engine that is not used.
def _faster_whisper(settings: AsrSettings) -> Transcriber:
    from fastring.asr.whisper import WhisperTranscriber

    return WhisperTranscriber(settings)


def _scripted(settings: AsrSettings) -> Transcriber:
    from fastring.asr.scripted import ScriptedTranscriber

    return ScriptedTranscriber.from_settings(settings)


_ENGINES: dict[str, Callable[[AsrSettings], Transcriber]] = {
    "faster-whisper": _faster_whisper,
    "scripted": _scripted,
}
