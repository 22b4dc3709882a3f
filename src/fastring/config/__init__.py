"""Every setting and its default, once: frozen dataclasses, nested by room.

A field's metadata holds its one-line help (`help`), an optional environment name besides `FASTRING_SECTION__FIELD`
(`env`), and `secret=True` where its value must never be shown. `config_sources.py` fills these from file, environment
and flags; a library user builds them by hand. A value out of range raises `ConfigError` and names the limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fastring.config.engines import (
    AsrSettings,
    DeepgramSettings,
    Engine,
    OpenAISettings,
)
from fastring.config.language import (
    RecitationSettings,
    RepliesSettings,
)
from fastring.config.listening import (
    AnalysisSettings,
    EndpointSettings,
    Vad,
    VoiceSettings,
)
from fastring.config.serving import (
    ResumeSettings,
    SecuritySettings,
    ServerSettings,
)

__all__ = [
    "AnalysisSettings",
    "AsrSettings",
    "DeepgramSettings",
    "EndpointSettings",
    "Engine",
    "OpenAISettings",
    "RecitationSettings",
    "RepliesSettings",
    "ResumeSettings",
    "SecuritySettings",
    "ServerSettings",
    "Settings",
    "Vad",
    "VoiceSettings",
]


@dataclass(frozen=True, slots=True)
class Settings:
    """All of them."""

    server: ServerSettings = field(default_factory=ServerSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    asr: AsrSettings = field(default_factory=AsrSettings)
    recitation: RecitationSettings = field(default_factory=RecitationSettings)
    replies: RepliesSettings = field(default_factory=RepliesSettings)
    resume: ResumeSettings = field(default_factory=ResumeSettings)
    deepgram: DeepgramSettings = field(default_factory=DeepgramSettings)
    openai: OpenAISettings = field(default_factory=OpenAISettings)
