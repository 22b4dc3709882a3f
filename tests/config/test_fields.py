"""What every section of settings is made of: help for each field, frozen values, addresses that are checked."""

from __future__ import annotations

import dataclasses

import pytest

from fastring.config import Settings
from fastring.config.fields import require_url
from fastring.errors import ConfigError

SECTIONS = [f.name for f in dataclasses.fields(Settings)]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_says_what_it_does(section: str) -> None:
    for field in dataclasses.fields(getattr(Settings(), section)):
        assert field.metadata["help"], f"{section}.{field.name}"


@pytest.mark.parametrize("section", SECTIONS)
def test_settings_are_frozen(section: str) -> None:
    settings = getattr(Settings(), section)
    name = dataclasses.fields(settings)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(settings, name, None)


@pytest.mark.parametrize(
    "url", ["", "localhost:80", "ftp://host", "http://", "http://a b", "http://h?q=1", "http://u@h"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="must be an address such as http://"):
        require_url(url, "room.base_url", ("http", "https"))


def test_an_address_of_any_scheme_asked_for_will_do() -> None:
    """Only of those: what is refused is raised."""
    require_url("HTTPS://host:8000/v1", "room.base_url", ("http", "https"))
    with pytest.raises(ConfigError, match="http://"):
        require_url("HTTPS://host:8000/v1", "room.base_url", ("http",))
