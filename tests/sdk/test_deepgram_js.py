"""The official JavaScript client of Deepgram, live and prerecorded, against a real server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from node_clients import run_module, run_node

from fastring.recordings import SpokenWord, recording, recording_path

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "clients" / "deepgram.md"


@pytest.fixture
def ask(server_url: str, api_key: str) -> Any:
    """Run the client: a scenario on recordings."""

    def asking(scenario: str, *names: str, key: str = api_key, **options: Any) -> list[Any]:
        files = [str(recording(name).path) for name in names]
        asked = {"scenario": scenario, "url": server_url, "key": key, "files": files, "options": options}
        answers: list[Any] = json.loads(run_node("deepgram.mjs", json.dumps(asked)))
        return answers

    return asking


def assert_words(said: list[Any], truth: tuple[SpokenWord, ...]) -> None:
    assert [word["word"] for word in said] == [word.text for word in truth]
    for word, true in zip(said, truth, strict=True):
        assert word["start"] == pytest.approx(true.start_s, abs=0.2)
        assert word["end"] == pytest.approx(true.end_s, abs=0.2)


def test_live_several_at_once(ask: Any) -> None:
    names = ("seen_1", "seen_2", "seen_8", "stream")
    for name, heard in zip(names, ask("live", *names, vad_events="true", punctuate="true"), strict=True):
        truth = recording(name)
        finals = [it for it in heard["messages"] if it["type"] == "Results" and it["is_final"]]
        assert_words([word for it in finals for word in it["channel"]["alternatives"][0]["words"]], truth.words)
        (answer,) = (at for at, it in enumerate(finals) if it["from_finalize"])  # one to the one Finalize
        assert not any(it["channel"]["alternatives"][0]["words"] for it in finals[answer + 1 :])
        assert heard["messages"][0]["type"] == "SpeechStarted"
        assert heard["messages"][-1]["type"] == "Metadata"
        assert heard["messages"][-1]["duration"] == pytest.approx(truth.duration_s, abs=0.01)
        assert heard["errors"] == []
        assert heard["closes"] == [1000]  # or it would connect again


def test_a_page_with_a_short_lived_key(ask: Any) -> None:
    truth = recording("seen_2")
    (heard,) = ask("live", "seen_2", granted=True)
    finals = [it for it in heard["messages"] if it["type"] == "Results" and it["is_final"]]
    assert_words([word for it in finals for word in it["channel"]["alternatives"][0]["words"]], truth.words)
    (answer,) = ask("prerecorded", "seen_2", granted=True)
    assert answer["body"]["results"]["channels"][0]["alternatives"][0]["transcript"] == truth.text


def test_turns_several_at_once(ask: Any) -> None:
    names = ("seen_1", "seen_2", "seen_8", "stream")
    for name, heard in zip(names, ask("turns", *names, language_hint=["en"]), strict=True):
        truth = recording(name)
        assert [it["type"] for it in heard["messages"][:2]] == ["Connected", "ConfigureSuccess"]
        ends = [it for it in heard["messages"] if it.get("event") == "EndOfTurn"]
        assert [it["turn_index"] for it in ends] == list(range(len(ends)))
        assert_words([word for it in ends for word in it["words"]], truth.words)
        assert heard["errors"] == []
        assert heard["closes"] == [1000]  # or it would connect again


def test_live_with_a_wrong_key_is_refused(ask: Any) -> None:
    (heard,) = ask("live", "seen_0", key="wrong")
    assert heard.get("refused") or heard["errors"]
    assert heard["messages"] == []


def test_recordings(ask: Any) -> None:
    names = ("stream", "seen_2")
    for name, answer in zip(names, ask("prerecorded", *names, utterances="true"), strict=True):
        truth = recording(name)
        spoken = answer["body"]["results"]["channels"][0]["alternatives"][0]
        assert spoken["transcript"] == truth.text
        assert_words(spoken["words"], truth.words)
        assert answer["body"]["metadata"]["channels"] == 1


@pytest.mark.parametrize(
    ("options", "key", "error", "status", "err_code"),
    [
        ({"model": "nova-9"}, None, "BadRequestError", 400, "Bad Request"),
        ({}, "wrong", "DeepgramError", 401, "INVALID_AUTH"),
    ],
)
def test_errors_of_recordings(ask: Any, options: Any, key: str | None, error: str, status: int, err_code: str) -> None:
    (answer,) = ask("prerecorded", "seen_0", **options, **({"key": key} if key else {}))
    assert (answer["error"], answer["status"]) == (error, status)
    assert answer["body"]["err_code"] == err_code


def test_the_example_of_the_guide_runs_as_written(server_url: str, api_key: str) -> None:
    (code,) = re.findall(r"^```js\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    code = code.replace("http://127.0.0.1:8000", server_url).replace("any, or one of FASTRING_API_KEYS", api_key)
    path = json.dumps(str(recording_path("seen_8")))
    read = f'import {{ readFileSync }} from "node:fs";\nconst pcm = readFileSync({path}).subarray(44);\n'
    assert run_module(read + code).split() == recording("seen_8").text.split()
