"""Settings of the server: a value out of range is named with its limit."""

from __future__ import annotations

import pytest

from fastring.config import ResumeSettings, SecuritySettings, ServerSettings
from fastring.errors import ConfigError


@pytest.mark.parametrize(
    ("section", "values", "named"),
    [
        (ServerSettings, {"port": 70_000}, "server.port = 70000"),
        (ServerSettings, {"max_upload_bytes": 0}, "server.max_upload_bytes = 0"),
        (ServerSettings, {"idle_timeout_s": 0.0}, "server.idle_timeout_s = 0.0"),
        (ServerSettings, {"heartbeat_s": -1.0}, "server.heartbeat_s = -1.0"),
        (ServerSettings, {"send_timeout_s": float("nan")}, "server.send_timeout_s = nan"),
        (ServerSettings, {"handshake_s": 1e9}, "server.handshake_s = 1000000000.0"),
        (ServerSettings, {"drain_s": -0.1}, "server.drain_s = -0.1"),
        (SecuritySettings, {"max_streams_per_key": -1}, "security.max_streams_per_key = -1"),
        (SecuritySettings, {"signing_secret": "short"}, "security.signing_secret = '5 characters'"),
        (ResumeSettings, {"catch_up_rate": 1.0}, "resume.catch_up_rate = 1.0"),
        (ResumeSettings, {"max_waiting_bytes": 1}, "resume.max_waiting_bytes = 1"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_limit(section: type, values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        section(**values)
    assert str(caught.value).startswith(named)
    assert "must be" in str(caught.value)
