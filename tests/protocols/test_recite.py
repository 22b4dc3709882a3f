from __future__ import annotations

import json

from fastring.events import Close, Closed, RecitationFailed
from fastring.protocols.recite import ReciteCodec


def test_the_end_may_be_asked_for() -> None:
    codec = ReciteCodec("r")
    assert codec.decode('{"type":"end"}') == [Close()]
    assert codec.decode('{"type":"close"}') == [Close()]


def test_the_close_code_alone_tells_the_end() -> None:
    codec = ReciteCodec("r")
    assert codec.encode(Closed("requested")) == ()
    assert codec.close_frame(Closed("requested"))[0] == 1000
    (message,) = codec.encode(RecitationFailed("the engine broke"))
    assert json.loads(str(message))["fallback"] == "/verify"
