from __future__ import annotations

import json

from fastring.events import Close, Closed, RecitationFailed
from fastring.protocols.recite import ReciteCodec


def test_the_end_may_be_asked_for() -> None:
    codec = ReciteCodec("r")
    assert codec.decode('{"type":"end"}') == [Close()]
    assert codec.decode('{"type":"close"}') == [Close()]


def test_after_end_the_result_is_the_last_message() -> None:
    codec = ReciteCodec("r")
    codec.decode('{"type":"end"}')
    assert codec.encode(Closed("requested")) == ()
    assert codec.close_frame(Closed("requested"))[0] == 1000
    (message,) = codec.encode(RecitationFailed("the engine broke"))
    assert json.loads(str(message))["fallback"] == "/verify"


def test_after_close_closed_follows_as_everywhere() -> None:
    codec = ReciteCodec("r")
    codec.decode('{"type":"close"}')
    (message,) = codec.encode(Closed("requested", {"messages": 1}))
    assert json.loads(str(message)) == {
        "type": "closed",
        "stream_id": "r",
        "reason": "requested",
        "stats": {"messages": 1},
    }
