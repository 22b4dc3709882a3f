from __future__ import annotations

import email.utils
import time

import pytest

from fastring.asr.remote import refusal, retry_after_s


@pytest.mark.parametrize(
    ("status", "reason", "passing"),
    [
        (400, "refused", False),
        (401, "refused", False),
        (402, "refused", False),
        (403, "refused", False),
        (404, "refused", False),
        (408, "timeout", True),
        (429, "busy", True),
        (500, "broken", True),
        (503, "busy", True),
        (504, "timeout", True),
    ],
)
def test_a_status_says_why_and_whether_it_passes(status: int, reason: str, passing: bool) -> None:
    error = refusal("The service", status, {}, "so it is", key_hint="THE_KEY")
    assert (error.reason, error.passing) == (reason, passing)
    assert str(status) in str(error)
    assert "so it is" in str(error)
    assert ("THE_KEY" in str(error)) == (status in (401, 403))


def test_what_a_stranger_says_is_shown_short_and_escaped() -> None:
    message = str(refusal("The service", 500, {}, "\x1b[31m" + "x" * 1000))
    assert "\x1b" not in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"Retry-After": "9", "retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": "soon"}, 0.0),
        ({"Retry-After": "-3"}, 0.0),
        ({"retry-after-ms": "soon"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_how_long_the_service_asks_us_to_wait(headers: dict[str, str], seconds: float) -> None:
    assert retry_after_s(headers) == seconds


def test_a_date_to_come() -> None:
    assert 55 < retry_after_s({"Retry-After": email.utils.formatdate(time.time() + 60, usegmt=True)}) <= 60


@pytest.mark.parametrize(("status", "hinted"), [(400, True), (404, True), (429, False), (500, False)])
def test_what_to_look_at_is_named_where_the_request_is_at_fault(status: int, hinted: bool) -> None:
    error = refusal("The service", status, {}, request_hint="a.model")
    assert ("look at a.model" in str(error)) is hinted
