from __future__ import annotations

from fastring.server.routes import FAMILIES
from fastring.server.surface.operation import JSON, Operation

PAGES = [page for family in FAMILIES for page in family.pages]


def test_every_page_describes_itself() -> None:
    assert [page.path for page in PAGES if page.operation is None] == []


def test_an_answer_is_json_unless_it_is_something_else() -> None:
    for page in PAGES:
        operation = page.operation
        assert isinstance(operation, Operation)
        assert operation.summary
        assert operation.answer is not None or (operation.media and JSON not in operation.media), page.path
