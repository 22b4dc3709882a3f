from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.server.tokens import ResumeTokens, Ticket

TOKENS = ResumeTokens(b"secret", lifetime_s=60)


def test_a_token_says_whose_session_it_is_and_until_when() -> None:
    token = TOKENS.issue("0123", "room.1", "ab12", 7, 1000.7)
    assert TOKENS.read(token) == Ticket("0123", "room.1", "ab12", 7, 1060)


def test_another_servers_token_is_unknown() -> None:
    assert ResumeTokens(lifetime_s=60).read(TOKENS.issue("0123", "room", "", 0, 0)) is None


@pytest.mark.parametrize("at", range(0, 50, 3))
def test_a_changed_token_is_unknown(at: int) -> None:
    token = TOKENS.issue("0123", "room-1", "ab12", 0, 0)
    assert at < len(token)
    changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    assert TOKENS.read(changed) is None


@given(st.text(max_size=200))
def test_any_text_reads_as_nothing(text: str) -> None:
    assert TOKENS.read(text) is None
