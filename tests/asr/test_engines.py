from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fastring.asr.engines import create_transcriber
from fastring.asr.transcriber import Job
from fastring.config import AsrSettings, DeepgramSettings, OpenAISettings, Settings
from fastring.errors import ConfigError, ModelUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from fastring.config import Engine


def test_the_scripted_engine_by_name(tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text("hello\n")
    engine = create_transcriber(AsrSettings(engine="scripted", script=str(tmp_path / "script.txt")))
    assert engine.capabilities.engine == "scripted"


def test_faster_whisper_by_name() -> None:
    engine = create_transcriber(AsrSettings(engine="faster-whisper", model="digits", device="cpu", workers=1))
    assert (engine.capabilities.engine, engine.capabilities.model) == ("faster-whisper", "digits")
    engine.close()


def test_an_unknown_engine_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="faster-whisper, deepgram, deepgram-batch, openai, pocketsphinx, scripted"):
        create_transcriber(replace(AsrSettings(), engine="parrot"))  # type: ignore[arg-type]


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(ModelUnavailableError, match=r"fastring\[asr\]"):
        create_transcriber(AsrSettings(model="digits"))


@pytest.mark.parametrize("engine", ["deepgram", "deepgram-batch", "openai"])
def test_a_service_by_name(engine: Engine) -> None:
    own = {"base_url": "http://127.0.0.1:9"}  # services of one's own may need no key
    settings = Settings(asr=AsrSettings(engine=engine), deepgram=DeepgramSettings(**own), openai=OpenAISettings(**own))
    transcriber = create_transcriber(settings)
    assert transcriber.capabilities.engine == engine
    transcriber.close()


@pytest.mark.parametrize(
    ("engine", "env"),
    [("deepgram", "DEEPGRAM_API_KEY"), ("deepgram-batch", "DEEPGRAM_API_KEY"), ("openai", "OPENAI_API_KEY")],
)
def test_a_missing_key_says_what_to_export(engine: Engine, env: str) -> None:
    with pytest.raises(ConfigError, match=f"needs a key:\n  export {env}=") as caught:
        create_transcriber(AsrSettings(engine=engine))
    assert caught.value.setting.endswith(".api_key")


@pytest.mark.parametrize(
    ("engine", "module", "extra"),
    [
        ("deepgram", "websockets", "deepgram"),
        ("deepgram-batch", "httpx", "deepgram"),
        ("openai", "openai", "openai"),
        ("pocketsphinx", "pocketsphinx", "pocketsphinx"),
    ],
)
def test_a_missing_extra_says_what_to_install(engine: Engine, module: str, extra: str) -> None:
    code = f"""
import sys
sys.modules[{module!r}] = None
from fastring.asr.engines import create_transcriber
from fastring.config import AsrSettings
try:
    create_transcriber(AsrSettings(engine={engine!r}))
except Exception as error:
    print(type(error).__name__, error)
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said.startswith("ModelUnavailableError")
    assert f"pip install 'fastring[{extra}]'" in said


def test_engines_that_stand_in_are_one_engine(tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text("hello\n")
    deepgram = DeepgramSettings(base_url="http://127.0.0.1:9", backoff_s=0.0)
    asr = AsrSettings(engine="deepgram", fallback=("deepgram-batch", "scripted"), script=str(tmp_path / "script.txt"))
    chain = create_transcriber(Settings(asr=asr, deepgram=deepgram))
    assert chain.capabilities.engine == "deepgram"
    (heard,) = chain.transcribe([Job(0, "s", 0, "final", 0, np.zeros(16_000, np.float32))])
    assert heard.text == "hello"
    assert [(notice.engine, notice.reason) for notice in heard.notices] == [("scripted", "unreachable")]
    chain.close()


def test_if_one_cannot_be_had_the_others_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr(
        "fastring.asr.deepgram.stream.DeepgramTranscriber.close", lambda self: closed.append("deepgram")
    )
    deepgram = DeepgramSettings(base_url="http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"asr\.script"):
        create_transcriber(Settings(asr=AsrSettings(engine="deepgram", fallback=("scripted",)), deepgram=deepgram))
    assert closed == ["deepgram"]


def test_the_table_loads_no_engine() -> None:
    code = "import sys, fastring.asr.engines; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert loaded & {"faster_whisper", "ctranslate2", "websockets", "httpx", "openai", "pocketsphinx"} == set()
