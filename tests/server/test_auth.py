from __future__ import annotations

from types import SimpleNamespace

import pytest

from fastring.config import SecuritySettings, ServerSettings
from fastring.errors import ConfigError
from fastring.server.auth import Gate, Visitor, is_loopback, require_keys_in_public, subprotocol_of
from fastring.server.problems import Problem

OPEN = SecuritySettings()
KEYS = SecuritySettings(api_keys=("alpha-key", "beta-key"))
LOOPBACK = ServerSettings(host="127.0.0.1")
PUBLIC = ServerSettings(host="0.0.0.0")


def gate(security: SecuritySettings = OPEN, server: ServerSettings = LOOPBACK) -> Gate:
    return Gate(security, server)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer alpha-key"},
        {"Authorization": "bearer beta-key"},
        {"Authorization": "Token alpha-key"},
        {"Sec-WebSocket-Protocol": "bearer, beta-key"},
        {"Sec-WebSocket-Protocol": "token,alpha-key , x-session, 1"},
    ],
)
def test_keys_open(headers: dict[str, str]) -> None:
    assert gate(KEYS).owner(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer gamma"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic alpha-key"},
        {"Authorization": "alpha-key"},
        {"Authorization": "Bearer alpha-key beta-key"},
        {"Sec-WebSocket-Protocol": "bearer"},
        {"Sec-WebSocket-Protocol": "alpha-key, bearer"},
        {"Authorization": "Bearer \udcff"},
    ],
)
def test_everything_else_does_not(headers: dict[str, str]) -> None:
    with pytest.raises(Problem) as caught:
        gate(KEYS).owner(headers)
    assert caught.value.status == 401
    assert "alpha" not in caught.value.message


def refusal(asked: Gate, headers: dict[str, str]) -> int | None:
    """With which status such a request is refused; None if it may pass."""
    try:
        asked.check_origin(headers)
    except Problem as problem:
        return problem.status
    return None


def test_without_keys_everyone_is_let_in() -> None:
    assert gate().owner({}) == ""


@pytest.mark.parametrize("security", [OPEN, KEYS], ids=["open", "with keys"])
def test_a_short_lived_key_opens_what_it_says_until_it_expires(security: SecuritySettings) -> None:
    it = gate(security)
    owner = it.keys.owner("beta-key") or ""
    key = it.short_lived_keys.issue(owner, "openai", 1000, session={"include": None})
    for headers in ({"Authorization": f"Bearer {key}"}, {"Sec-WebSocket-Protocol": f"bearer, {key}"}):
        assert it.visitor(headers, "openai", 999.9) == Visitor(owner, {"include": None})
        for scope, now_s, status in (("openai", 1000, 401), ("deepgram", 999, 403), ("", 999, 403)):
            with pytest.raises(Problem) as caught:
                it.visitor(headers, scope, now_s)
            assert caught.value.status == status
            assert key not in caught.value.message


def test_a_short_lived_key_is_none_without_the_key_that_made_it() -> None:
    """It may have been made by another process, or before the server had keys."""
    secret = "a secret of thirty-two characters"
    it = gate(SecuritySettings(api_keys=("alpha-key",), signing_secret=secret))
    for keys in (("beta-key",), ()):
        other = gate(SecuritySettings(api_keys=keys, signing_secret=secret))
        key = other.short_lived_keys.issue(other.keys.owner("beta-key") or "", "openai", 1000)
        with pytest.raises(Problem, match="is gone") as caught:
            it.visitor({"Authorization": f"Bearer {key}"}, "openai", 0)
        assert caught.value.status == 401


def test_a_short_lived_key_is_no_key() -> None:
    it = gate(KEYS)
    key = it.short_lived_keys.issue(str(it.keys.owner("beta-key")), "openai", 1 << 40)
    with pytest.raises(Problem):
        it.owner({"Authorization": f"Bearer {key}"})


def test_any_other_key_is_the_visitors_own() -> None:
    assert gate().visitor({"Authorization": "Bearer ek_of.another.service"}, "openai", 0) == Visitor("")
    it = gate(KEYS)
    assert it.visitor({"Authorization": "Bearer beta-key"}, "", 0) == Visitor(str(it.keys.owner("beta-key")))


@pytest.mark.parametrize(
    ("host", "origin", "allowed"),
    [
        ("localhost:8000", "", ()),
        ("localhost:8000", "http://localhost:8000", ()),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", ()),
        ("[::1]:8000", "http://[::1]:8000", ()),
        ("localhost:8000", "https://app.example", ("https://app.example",)),
        ("localhost:8000", "https://APP.example", ("https://app.example/",)),
        ("app.example", "https://app.example", ("https://app.example",)),
        ("localhost:8000", "https://anything.example", ("*",)),
    ],
)
def test_origins_that_may(host: str, origin: str, allowed: tuple[str, ...]) -> None:
    headers = {"Host": host, **({"Origin": origin} if origin else {})}
    assert refusal(gate(SecuritySettings(allowed_origins=allowed)), headers) is None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8000", "https://evil.example"),
        ("localhost:8000", "null"),
        ("localhost:8000", "http://localhost:9000"),
        ("localhost:8000", "http://localhost:8000.evil.example"),
        ("evil.example:8000", "http://evil.example:8000"),  # a name its owner points at 127.0.0.1
        ("evil.example:8000", ""),
        ("localhost.evil.example", ""),
        ("localhost:8000", "http://[broken"),
        ("[broken", "http://[broken"),
        ("", ""),
    ],
)
def test_origins_that_may_not(host: str, origin: str) -> None:
    headers = {"Host": host, **({"Origin": origin} if origin else {})}
    assert refusal(gate(), headers) == 403


def test_who_is_refused_is_logged_and_a_flood_of_them_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, told = gate(), list[dict[str, object]]()
    log = SimpleNamespace(warning=lambda _event, **facts: told.append(facts))
    monkeypatch.setattr("fastring.server.auth.log", log)  # the process's log may be set up otherwise by now
    for _ in range(1000):
        assert refusal(asked, {"Host": "localhost:8000", "Origin": "https://evil.example"}) == 403
    assert len(told) == 10
    reason = "pages of 'https://evil.example' may not connect: see security.allowed_origins"
    assert told[0] == {"code": "forbidden_origin", "reason": reason, "more": 0}


def test_with_keys_or_in_public_any_host_name_will_do() -> None:
    assert refusal(gate(KEYS), {"Host": "speech.example"}) is None
    assert refusal(gate(KEYS, PUBLIC), {"Host": "speech.example", "Origin": "https://speech.example"}) is None
    assert refusal(gate(KEYS, PUBLIC), {"Host": "speech.example", "Origin": "https://evil.example"}) == 403


@pytest.mark.parametrize(
    ("offered", "selected"),
    [("bearer, k", "bearer"), ("Token, k", "Token"), ("fastring", "fastring"), ("k, bearer", None), ("", None)],
)
def test_one_subprotocol_comes_back_and_never_the_key(offered: str, selected: str | None) -> None:
    assert subprotocol_of({"Sec-WebSocket-Protocol": offered}) == selected


@pytest.mark.parametrize(
    ("host", "answer"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("", False)],
)
def test_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


def test_a_public_server_needs_keys() -> None:
    with pytest.raises(ConfigError, match="FASTRING_API_KEYS"):
        require_keys_in_public(OPEN, PUBLIC)
    require_keys_in_public(OPEN, LOOPBACK)
    require_keys_in_public(KEYS, PUBLIC)
    require_keys_in_public(SecuritySettings(allow_public_without_keys=True), PUBLIC)
