"""The settings of an OpenAI realtime session: what a client may set, in their newer or older shape, and what holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastring.errors import FastringError, ProtocolError
from fastring.protocols.messages import shown
from fastring.protocols.openai_vad import SERVER_VAD, endpoint_for

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from fastring.config import EndpointSettings

__all__ = ["RealtimeRefusedError", "RealtimeSession"]

Fields = dict[str, Any]

# Their old names of a format; their new ones; fastring's encoding and sample rate.
_FORMATS: Final = {
    "pcm16": ("audio/pcm", "linear16", 24_000),
    "g711_ulaw": ("audio/pcmu", "mulaw", 8_000),
    "g711_alaw": ("audio/pcma", "alaw", 8_000),
}
_OLD_NAMES: Final = {new: old for old, (new, _, _) in _FORMATS.items()}
_INCLUDED: Final = ("item.input_audio_transcription.logprobs",)
_TRANSCRIPTION: Final = ("model", "language", "prompt", "languages", "keywords", "delay")


class RealtimeRefusedError(ProtocolError):
    """What a client asked for is not to be had. `param` names the field at fault."""

    def __init__(self, message: str, *, code: str = "invalid_value", param: str | None = None) -> None:
        super().__init__(message, code=code)
        self.param = param


class RealtimeSession:
    """What holds in one session. An update that is refused changes nothing.

    Args:
        session_id: `sess_…`.
        expires_at: when the session says it ends, in Unix seconds.
        endpoint: the server's settings, for what a client does not say.
        model: the name the client asked for, or the loaded model's.
        knows_model: whether a name means the loaded model.
        languages: codes the engine knows; empty: any.
    """

    def __init__(
        self,
        session_id: str,
        *,
        expires_at: int,
        endpoint: EndpointSettings,
        model: str,
        knows_model: Callable[[str], bool],
        languages: Collection[str] = (),
    ) -> None:
        self.session_id = session_id
        self._expires_at = expires_at
        self._endpoint = endpoint
        self._knows_model = knows_model
        self._languages = languages
        self._format = "pcm16"
        self._transcription: Fields | None = {"model": model}
        self._noise_reduction: Fields | None = None
        self._vad: Fields | None = dict(SERVER_VAD)
        self._include: list[str] | None = None

    @property
    def encoding(self) -> str:
        """As `AudioFormat` has it."""
        return _FORMATS[self._format][1]

    @property
    def sample_rate(self) -> int:
        """Of the client's audio, in Hz."""
        return _FORMATS[self._format][2]

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return 2 if self._format == "pcm16" else 1

    @property
    def language(self) -> str:
        """Code, or "" if the client does not say."""
        return str((self._transcription or {}).get("language") or "").split("-")[0].lower()

    @property
    def endpoint(self) -> EndpointSettings | None:
        """When speech starts and ends; None: the client says it, by its commits."""
        return None if self._vad is None else endpoint_for(self._vad, self._endpoint)

    @property
    def padding_ms(self) -> int:
        """Audio before its start that a turn begins with."""
        return 0 if (endpoint := self.endpoint) is None else endpoint.pre_roll_ms

    @property
    def silence_ms(self) -> int:
        """Silence that ends a turn."""
        return 0 if (endpoint := self.endpoint) is None else endpoint.trailing_silence_ms

    @property
    def logprobs(self) -> bool:
        """Whether the client wants them."""
        return bool(self._include)

    def settings(self) -> Fields:
        """For `Configure`."""
        return {
            "encoding": self.encoding,
            "sample_rate": self.sample_rate,
            "language": self.language,
            "endpoint": self.endpoint,
        }

    def described(self, *, old: bool = False) -> Fields:
        """The session object of their newer shape, or of the older one."""
        head = {
            "id": self.session_id,
            "object": "realtime.transcription_session",
            "expires_at": self._expires_at,
        }
        if old:
            return head | {
                "modalities": ["text", "audio"],
                "input_audio_format": self._format,
                "input_audio_transcription": self._transcription,
                "input_audio_noise_reduction": self._noise_reduction,
                "turn_detection": self._vad,
                "include": self._include,
                "client_secret": None,
            }
        kind = _FORMATS[self._format][0]
        audio_input = {
            "format": {"type": kind, "rate": self.sample_rate} if kind == "audio/pcm" else {"type": kind},
            "transcription": self._transcription,
            "noise_reduction": self._noise_reduction,
            "turn_detection": self._vad,
        }
        return {"type": "transcription", **head, "audio": {"input": audio_input}, "include": self._include}

    def update(self, session: Fields) -> None:
        """Take an update of either shape: keys that are there change, null clears.

        Raises:
            RealtimeRefusedError: names the field; nothing has changed then.
        """
        kind = session.get("type", "transcription")
        if kind != "transcription":
            raise RealtimeRefusedError(
                f"session.type = {shown(kind)}: this server transcribes, so it must be 'transcription'",
                param="session.type",
            )
        asked = _flat(session)
        changed: Fields = {}
        for name, read in _READERS.items():
            if name in asked:
                value, param = asked[name]
                changed[f"_{name}"] = read(self, value, param)
        for name, value in changed.items():
            setattr(self, name, value)

    def _read_format(self, value: Any, param: str) -> str:
        if value is None:
            return "pcm16"
        kind = value.get("type") if isinstance(value, dict) else value
        name = _OLD_NAMES.get(kind, kind) if isinstance(kind, str) else None
        if name not in _FORMATS:
            raise RealtimeRefusedError(f"{param} = {shown(value)}: must be one of {', '.join(_OLD_NAMES)}", param=param)
        rate = value.get("rate") if isinstance(value, dict) else None
        if rate is not None and rate != _FORMATS[name][2]:
            raise RealtimeRefusedError(
                f"{param}.rate = {shown(rate)}: must be {_FORMATS[name][2]} for {kind}", param=f"{param}.rate"
            )
        return str(name)

    def _read_transcription(self, value: Any, param: str) -> Fields | None:
        if value is None:
            return None
        wanted = {**(self._transcription or {}), **_object(value, param)}
        model, language = wanted.get("model"), wanted.get("language")
        if model is not None and not (isinstance(model, str) and self._knows_model(model)):
            raise RealtimeRefusedError(
                f"model {shown(model)} is not loaded here", code="model_not_found", param=f"{param}.model"
            )
        code = language.split("-")[0].lower() if isinstance(language, str) else language
        if language is not None and (
            not isinstance(language, str) or (code and self._languages and code not in self._languages)
        ):
            raise RealtimeRefusedError(f"language {shown(language)} is not known here", param=f"{param}.language")
        return {name: wanted[name] for name in _TRANSCRIPTION if name in wanted}

    def _read_vad(self, value: Any, param: str) -> Fields | None:
        if value is None:
            return None
        wanted = _object(value, param)
        kind = wanted.get("type", "server_vad")
        base = SERVER_VAD if kind == "server_vad" else {"type": kind, "eagerness": "auto"}
        vad = {name: base[name] if wanted.get(name) is None else wanted[name] for name in base}
        try:
            endpoint_for(vad, self._endpoint)
        except FastringError as error:
            raise RealtimeRefusedError(str(error), param=param) from None
        return vad

    def _read_noise_reduction(self, value: Any, param: str) -> Fields | None:
        return None if value is None else {"type": _object(value, param).get("type")}

    def _read_include(self, value: Any, param: str) -> list[str] | None:
        if value is not None and (not isinstance(value, list) or any(item not in _INCLUDED for item in value)):
            raise RealtimeRefusedError(f"{param} = {shown(value)}: must be of {', '.join(_INCLUDED)}", param=param)
        return value


_READERS: Final[dict[str, Callable[[RealtimeSession, Any, str], Any]]] = {
    "format": RealtimeSession._read_format,
    "transcription": RealtimeSession._read_transcription,
    "vad": RealtimeSession._read_vad,
    "noise_reduction": RealtimeSession._read_noise_reduction,
    "include": RealtimeSession._read_include,
}


def _flat(session: Fields) -> dict[str, tuple[Any, str]]:
    """The settings by our names, each with the path it came by."""
    found: dict[str, tuple[Any, str]] = {}
    for name, theirs in (
        ("format", "input_audio_format"),
        ("transcription", "input_audio_transcription"),
        ("vad", "turn_detection"),
        ("noise_reduction", "input_audio_noise_reduction"),
        ("include", "include"),
    ):
        if theirs in session:
            found[name] = session[theirs], f"session.{theirs}"
    audio = session.get("audio")
    inputs = None if audio is None else _object(audio, "session.audio").get("input")
    inputs = {} if inputs is None else _object(inputs, "session.audio.input")
    for name, theirs in (
        ("format", "format"),
        ("transcription", "transcription"),
        ("vad", "turn_detection"),
        ("noise_reduction", "noise_reduction"),
    ):
        if theirs in inputs:
            found[name] = inputs[theirs], f"session.audio.input.{theirs}"
    return found


def _object(value: Any, param: str) -> Fields:
    if not isinstance(value, dict):
        raise RealtimeRefusedError(f"{param} = {shown(value)}: must be an object", param=param)
    return value
