"""OpenAI's short-lived keys: what they may ask for, what is told, and how a connection that uses one starts."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from fastring.config import SecuritySettings
from fastring.server.endpoints.openai_secrets import MAX_LIFETIME_S, MIN_LIFETIME_S

if TYPE_CHECKING:
    from serving import Running, Serve

PATH = "/v1/realtime/client_secrets"
OLD_PATH = "/v1/realtime/transcription_sessions"
INPUT = {
    "format": {"type": "audio/pcmu"},
    "transcription": {"model": "whisper-1", "language": "en", "prompt": "digits, mostly"},
    "noise_reduction": {"type": "near_field"},
    "turn_detection": {"type": "server_vad", "threshold": 0.4, "prefix_padding_ms": 200, "silence_duration_ms": 700},
}
SESSION = {"type": "transcription", "audio": {"input": INPUT}, "include": ["item.input_audio_transcription.logprobs"]}
MANUAL = {"audio": {"input": {"turn_detection": None}}}
OLD_SESSION = {
    "input_audio_format": "g711_ulaw",
    "input_audio_transcription": INPUT["transcription"],
    "input_audio_noise_reduction": INPUT["noise_reduction"],
    "turn_detection": INPUT["turn_detection"],
    "include": SESSION["include"],
}


def settings_of(session: dict[str, Any]) -> dict[str, Any]:
    return {name: session[name] for name in session if name not in {"id", "object", "expires_at"}}


async def first_event(server: Running, path: str = "/v1/realtime", **options: Any) -> dict[str, Any]:
    async with server.connect(path, **options) as ws:
        event: dict[str, Any] = json.loads(await ws.receive_str(timeout=10))
        return event


def offered(key: str, *more: str) -> dict[str, Any]:
    return {"protocols": ("realtime", f"openai-insecure-api-key.{key}", *more)}


@pytest.mark.parametrize("keys", [("one",), ()], ids=["with keys", "open"])
async def test_a_connection_starts_with_the_session_that_was_agreed(serve: Serve, keys: tuple[str, ...]) -> None:
    async with serve(security=SecuritySettings(api_keys=keys)) as server:
        status, secret = await server.post(PATH, json={"session": SESSION}, headers={"Authorization": "Bearer one"})
        assert status == 200
        assert secret["value"].startswith("ek_")
        assert settings_of(secret["session"]) == SESSION
        key = secret["value"]
        ways = [offered(key), {"headers": {"Authorization": f"Bearer {key}"}}]
        sessions = [(await first_event(server, "/v1/realtime?model=gpt-realtime", **way)) for way in ways]
        assert [event["type"] for event in sessions] == ["session.created"] * 2
        assert [settings_of(event["session"]) for event in sessions] == [SESSION] * 2
        assert sessions[0]["session"]["id"] != sessions[1]["session"]["id"]  # one secret, several sessions


async def test_the_older_shape_is_agreed_and_started_likewise(server: Running) -> None:
    status, agreed = await server.post(OLD_PATH, json=OLD_SESSION)
    assert status == 200
    key = agreed.pop("client_secret")["value"]
    assert {name: agreed[name] for name in OLD_SESSION} == OLD_SESSION
    old = await first_event(server, **offered(key, "openai-beta.realtime-v1"))
    assert old["type"] == "transcription_session.created"
    assert {name: old["session"][name] for name in OLD_SESSION} == OLD_SESSION
    new = await first_event(server, **offered(key))
    assert settings_of(new["session"]) == SESSION


async def test_what_was_agreed_holds_and_the_page_may_change_it(server: Running) -> None:
    _, secret = await server.post(PATH, json={"session": {"type": "transcription", **MANUAL}})
    async with server.connect("/v1/realtime", **offered(secret["value"])) as ws:
        await ws.receive_json()
        await ws.send_json({"type": "input_audio_buffer.commit"})
        assert (await ws.receive_json(timeout=10))["error"]["code"] == "input_audio_buffer_commit_empty"
        await ws.send_json({"type": "session.update", "session": SESSION})
        updated = await ws.receive_json(timeout=10)
        assert settings_of(updated["session"]) == SESSION


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        *((asked, 600) for asked in (None, {}, {"expires_after": None}, {"expires_after": {"anchor": "created_at"}})),
        *(({"expires_after": {"seconds": seconds}}, seconds) for seconds in (MIN_LIFETIME_S, MAX_LIFETIME_S)),
    ],
)
async def test_it_lasts_as_long_as_was_asked_for(server: Running, asked: Any, seconds: int) -> None:
    before = time.time()
    _, secret = await server.post(PATH, json=asked) if asked is not None else await server.post(PATH)
    assert before + seconds - 1 <= secret["expires_at"] <= time.time() + seconds
    said = server.services.gate.short_lived_keys.read(secret["value"])
    assert said is not None
    assert said.expires_s == secret["expires_at"]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [({}, 60), ({"expires_at": {"anchor": "created_at", "seconds": 90}}, 90), ({"expires_after": {"seconds": 70}}, 70)],
)
async def test_so_does_one_of_the_older_shape(server: Running, asked: Any, seconds: int) -> None:
    _, session = await server.post(OLD_PATH, json={"client_secret": asked})
    secret = session["client_secret"]
    assert secret["expires_at"] == pytest.approx(time.time() + seconds, abs=2)


@pytest.mark.parametrize(
    ("asked", "status", "code", "param"),
    [
        ({"expires_after": {"seconds": 9}}, 400, "invalid_value", "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, 400, "invalid_value", "expires_after.seconds"),
        ({"expires_after": {"seconds": "60"}}, 400, "invalid_value", "expires_after.seconds"),
        ({"expires_after": {"seconds": True}}, 400, "invalid_value", "expires_after.seconds"),
        ({"expires_after": {"anchor": "never"}}, 400, "invalid_value", "expires_after.anchor"),
        ({"expires_after": 60}, 400, "invalid_type", "expires_after"),
        ({"session": []}, 400, "invalid_type", "session"),
        ({"session": {"type": "realtime", "model": "gpt-realtime"}}, 400, "invalid_value", "session.type"),
        ({"session": {"audio": {"input": {"format": {"type": "audio/opus"}}}}}, 400, "invalid_value", "session.audio"),
        (
            {"session": {"audio": {"input": {"transcription": {"model": "x"}}}}},
            404,
            "model_not_found",
            "session.audio",
        ),
        ({"session": {"audio": {"input": {"transcription": {"language": 5}}}}}, 400, "invalid_value", "session.audio"),
        (None, 400, "invalid_json", None),
    ],
)
async def test_what_cannot_be_had_is_refused_in_openais_words(
    server: Running, asked: Any, status: int, code: str, param: str | None
) -> None:
    answered, body = await server.post(PATH, data=json.dumps(asked))
    assert (answered, body["error"]["code"]) == (status, code)
    assert str(body["error"]["param"]).startswith(str(param))


@pytest.mark.parametrize(
    "asked",
    [{"client_secret": 5}, {"client_secret": {"expires_at": {"seconds": 1}}}, {"input_audio_format": "mp3"}],
)
async def test_so_it_is_in_the_older_shape(server: Running, asked: Any) -> None:
    status, body = await server.post(OLD_PATH, json=asked)
    assert status == 400
    assert body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("letter", ["a", "\u00e9", "\u65e5"])
async def test_the_largest_session_fits_into_a_header_and_a_larger_one_is_refused(server: Running, letter: str) -> None:
    async def ask(count: int) -> tuple[int, Any]:
        transcription = {"model": "whisper-1", "prompt": letter * count}
        asked = {"session": {"audio": {"input": {"transcription": transcription}}}}
        return await server.post(PATH, data=json.dumps(asked, ensure_ascii=False).encode())

    most = 3700 // len(letter.encode())
    status, secret = await ask(most)
    assert status == 200
    created = await first_event(server, **offered(secret["value"]))
    assert created["session"]["audio"]["input"]["transcription"]["prompt"] == letter * most
    status, body = await ask(most + 300 // len(letter.encode()))
    assert (status, body["error"]["code"]) == (413, "message_too_large")


async def test_text_that_grows_when_it_is_written_is_bounded_too(server: Running) -> None:
    """A lone surrogate makes every other letter an escape."""
    transcription = {"prompt": "\u00e9" * 1200}
    text = json.dumps({"session": {"audio": {"input": {"transcription": transcription}}}}, ensure_ascii=False)
    status, body = await server.post(PATH, data=text.replace('"prompt": "', '"prompt": "\\ud800').encode())
    assert (status, body["error"]["param"]) == (413, "session")


async def test_a_model_that_is_gone_since_refuses_the_connection(serve: Serve) -> None:
    """Both servers have the secret, as after a restart with other aliases."""
    security = SecuritySettings(signing_secret="a secret of thirty-two characters")
    async with serve(security=security) as server:
        _, secret = await server.post(PATH, json={"session": SESSION})
    async with serve(security=security, model_aliases=("other",)) as server:
        headers = {"Authorization": f"Bearer {secret['value']}"}
        assert (await server.refusal("/v1/realtime", headers=headers))[0] == 404
