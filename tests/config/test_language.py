"""Settings of recitation and replies: a value out of range is named with its limit."""

from __future__ import annotations

import pytest

from fastring.config import RecitationSettings, RepliesSettings
from fastring.errors import ConfigError


@pytest.mark.parametrize(
    ("section", "values", "named"),
    [
        (RecitationSettings, {"minor_similarity": 1.0}, "recitation.minor_similarity = 1.0"),
        (RepliesSettings, {"base_url": "ftp://127.0.0.1"}, "replies.base_url = 'ftp://127.0.0.1'"),
        (RepliesSettings, {"max_tokens": 0}, "replies.max_tokens = 0"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_limit(section: type, values: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        section(**values)
    assert str(caught.value).startswith(named)
    assert "must be" in str(caught.value)
