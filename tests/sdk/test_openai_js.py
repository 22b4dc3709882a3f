"""The official JavaScript client of OpenAI, against a real server; live speech over TLS, which it insists on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from node_clients import run_node
from serving import silence, speech

from fastring.audio.pcm import float32_to_pcm16, pcm16_to_float32
from fastring.audio.resample import Resampler
from fastring.recordings import recording

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_recordings_models_and_errors(server_url: str, api_key: str) -> None:
    spoken = recording("seen_8")
    asked = {"scenario": "recordings", "url": server_url, "key": api_key, "files": [str(spoken.path)]}
    heard: dict[str, Any] = json.loads(run_node("openai.mjs", json.dumps(asked)))
    assert heard["json"]["text"] == spoken.text
    assert heard["text"] == f"{spoken.text}\n"
    assert heard["srt"].startswith("1\n00:00:00,")
    assert [word["word"] for word in heard["verbose"]["words"]] == spoken.text.split()
    assert "".join(heard["deltas"]) == heard["done"]["text"] == spoken.text
    assert {"digits", "whisper-1"} <= set(heard["models"])
    assert [(error["kind"], error["status"], error["code"]) for error in heard["errors"]] == [
        ("NotFoundError", 404, "model_not_found"),
        ("BadRequestError", 400, "unsupported_value"),
        ("AuthenticationError", 401, "invalid_api_key"),
    ]


@pytest.fixture
def ask_live(tmp_path: Path, root: Path, api_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run a scenario that speaks "seen_2" to a server with TLS."""
    pytest.importorskip("faster_whisper")
    pcm = np.frombuffer(silence(0.3) + speech("seen_2") + silence(1.0), "<i2")
    resampler = Resampler(16_000, 24_000)
    samples = np.concatenate([resampler.push(pcm16_to_float32(pcm)), resampler.flush()])
    audio = tmp_path / "speech.pcm"
    audio.write_bytes(float32_to_pcm16(samples).tobytes())
    certificate = root / "tests" / "support" / "localhost.pem"
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(certificate))
    command = ["serve", "--port", "0", "--model", "digits", "--set", f"server.tls_certificate={certificate}"]
    with subprocess.Popen(
        [sys.executable, "-m", "fastring", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "FASTRING_API_KEYS": api_key},
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().rpartition("ready on ")[2].strip()
        assert url.startswith("https://")
        words = len(recording("seen_2").text.split())
        asked = {"url": url, "key": api_key, "files": [str(audio)], "words": words}
        try:
            yield lambda scenario: json.loads(run_node("openai.mjs", json.dumps({**asked, "scenario": scenario})))
        finally:
            process.terminate()
            process.wait(10)


def assert_transcripts(events: list[Any]) -> None:
    transcripts = [event["transcript"] for event in events if event["type"].endswith("transcription.completed")]
    assert " ".join(transcripts) == recording("seen_2").text
    deltas = {event["item_id"]: "" for event in events if event["type"].endswith("transcription.delta")}
    for event in events:
        if event["type"].endswith("transcription.delta"):
            deltas[event["item_id"]] += event["delta"]
    assert list(deltas.values()) == transcripts


def test_live_speech_also_of_a_page_with_a_short_lived_key(ask_live: Any) -> None:
    assert_transcripts(ask_live("live"))
    page = ask_live("page")
    assert_transcripts(page["events"])
    created = page["events"][0]
    assert created["type"] == "session.created"
    assert created["session"]["audio"] == page["secret"]["session"]["audio"]
    assert created["session"]["audio"]["input"]["transcription"]["language"] == "en"
    assert (page["refused"]["kind"], page["refused"]["status"]) == ("PermissionDeniedError", 403)
