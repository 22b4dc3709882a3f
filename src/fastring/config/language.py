"""What is done with the words: feedback on a recitation, replies of a language model."""

from __future__ import annotations

from dataclasses import dataclass

from fastring.config.fields import require, setting

__all__ = [
    "RecitationSettings",
    "RepliesSettings",
]


@dataclass(frozen=True, slots=True)
class RecitationSettings:
    """Word feedback on a text that is recited."""

    references_file: str = setting("", "file of surah|ayah|text lines; empty: the first surah, which ships")
    minor_similarity: float = setting(
        0.6, "a word that is not right but this similar (0..1, by letters) is a minor mistake"
    )

    def __post_init__(self) -> None:
        require(0 < self.minor_similarity < 1, "recitation.minor_similarity", self.minor_similarity, "between 0 and 1")


@dataclass(frozen=True, slots=True)
class RepliesSettings:
    """A language model that answers what is said, from the early trigger on."""

    base_url: str = setting("", "OpenAI-compatible service, for example http://127.0.0.1:8080/v1; empty: no replies")
    api_key: str = setting("", "its key", env="FASTRING_REPLIES_API_KEY", secret=True)
    model: str = setting("default", "model to ask for")
    system_prompt: str = setting("", "what the model is told first")
    max_tokens: int = setting(256, "longest reply, in tokens")
    history: int = setting(16, "turns of the conversation that the model is told")
    max_replies: int = setting(8, "replies under way in this process; more are not asked for")
    timeout_s: float = setting(30.0, "a reply is given up after this long")

    def __post_init__(self) -> None:
        require(
            not self.base_url or self.base_url.startswith(("http://", "https://")),
            "replies.base_url",
            self.base_url,
            "a URL of http or https, or empty",
        )
        require(1 <= self.max_tokens <= 100_000, "replies.max_tokens", self.max_tokens, "1..100000")
        require(0 <= self.history <= 1000, "replies.history", self.history, "0..1000")
        require(1 <= self.max_replies <= 10_000, "replies.max_replies", self.max_replies, "1..10000")
        require(0.1 <= self.timeout_s <= 3600, "replies.timeout_s", self.timeout_s, "0.1..3600")
