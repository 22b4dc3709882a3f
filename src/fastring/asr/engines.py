"""The table of engines: from the names in the settings to an engine that is ready."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from fastring.config import AsrSettings, Settings
from fastring.errors import ConfigError, ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastring.asr.transcriber import Transcriber

__all__ = ["create_transcriber"]


def create_transcriber(settings: Settings | AsrSettings) -> Transcriber:
    """Load the engine that the settings name, and those that stand in for it, made one.

    This may take seconds, and download a model with a progress bar.

    Args:
        settings: all of them; of `AsrSettings` alone, the services' own are the defaults.

    Raises:
        ConfigError: if there is no such engine, or a setting of it is wrong or missing.
        ModelUnavailableError: if its model or its library cannot be had; the message says what to type.
    """
    if isinstance(settings, AsrSettings):
        settings = Settings(asr=settings)
    asr = settings.asr
    with contextlib.ExitStack() as undo:
        engines = []
        for setting, name in (("asr.engine", asr.engine), *(("asr.fallback", name) for name in asr.fallback)):
            create = _ENGINES.get(name)
            if create is None:
                raise ConfigError(f"{setting} = {name!r}: must be one of {', '.join(_ENGINES)}", setting=setting)
            engines.append(create(settings))
            undo.callback(engines[-1].close)
        undo.pop_all()
    if len(engines) == 1:
        return engines[0]
    from fastring.asr.fallback import FallbackTranscriber

    return FallbackTranscriber(engines, breaker_failures=asr.breaker_failures, breaker_s=asr.breaker_s)


# Imported late: nobody pays for an engine that is not used.
def _faster_whisper(settings: Settings) -> Transcriber:
    from fastring.asr.whisper import WhisperTranscriber

    return WhisperTranscriber(settings.asr)


def _deepgram(settings: Settings) -> Transcriber:
    with _installed("deepgram", "deepgram"):
        from fastring.asr.deepgram.stream import DeepgramTranscriber
    _require_key("deepgram", settings.deepgram, "api.deepgram.com", "DEEPGRAM_API_KEY")
    return DeepgramTranscriber(settings.deepgram)


def _deepgram_batch(settings: Settings) -> Transcriber:
    with _installed("deepgram-batch", "deepgram"):
        from fastring.asr.deepgram.batch import DeepgramBatchTranscriber
    _require_key("deepgram", settings.deepgram, "api.deepgram.com", "DEEPGRAM_API_KEY")
    return DeepgramBatchTranscriber(settings.deepgram)


def _openai(settings: Settings) -> Transcriber:
    with _installed("openai", "openai"):
        from fastring.asr.openai_remote import OpenAITranscriber
    _require_key("openai", settings.openai, "api.openai.com", "OPENAI_API_KEY")
    return OpenAITranscriber(settings.openai)


def _pocketsphinx(settings: Settings) -> Transcriber:
    with _installed("pocketsphinx", "pocketsphinx"):
        from fastring.asr.sphinx import SphinxTranscriber
    return SphinxTranscriber(settings.asr)


def _scripted(settings: Settings) -> Transcriber:
    from fastring.asr.scripted import ScriptedTranscriber

    return ScriptedTranscriber.from_settings(settings.asr)


@contextlib.contextmanager
def _installed(engine: str, extra: str) -> Iterator[None]:
    """Say what to install where the import fails."""
    try:
        yield
    except ImportError as error:
        raise ModelUnavailableError(
            f"The engine {engine} is not installed ({error}):\n  pip install 'fastring[{extra}]'"
        ) from error


def _require_key(section: str, settings: Any, host: str, env: str) -> None:
    """A key is needed where the vendor's own service is asked; services of one's own may do without."""
    if not settings.api_key and host in settings.base_url:
        raise ConfigError(
            f"{section}.api_key is empty, and {settings.base_url} needs a key:\n  export {env}=...",
            setting=f"{section}.api_key",
        )


_ENGINES: dict[str, Callable[[Settings], Transcriber]] = {
    "faster-whisper": _faster_whisper,
    "deepgram": _deepgram,
    "deepgram-batch": _deepgram_batch,
    "openai": _openai,
    "pocketsphinx": _pocketsphinx,
    "scripted": _scripted,
}
