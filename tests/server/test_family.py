from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from fastring.server.family import Family
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from aiohttp import web


def test_a_family_without_words_of_its_own_refuses_as_fastring_does() -> None:
    answer = Family("plain").refuse(Problem(400, "invalid_parameter", "no", param="x"), cast("web.Request", None))
    assert answer.status == 400
    assert json.loads(str(answer.text)) == {"error": {"code": "invalid_parameter", "message": "no", "param": "x"}}
