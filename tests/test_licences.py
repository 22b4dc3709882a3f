"""What the package depends on, directly or not, may be linked into anything: no GPL, no AGPL, and nothing unknown."""

from __future__ import annotations

import importlib.metadata
import re

import pytest

packaging = pytest.importorskip("packaging.requirements")

STRICT = re.compile(r"\bA?GPL|Affero|GNU General Public", re.IGNORECASE)
LESSER = re.compile(r"\bLGPL|Lesser General Public|Library General Public", re.IGNORECASE)


def installed_dependencies() -> set[str]:
    """Names of all that fastring's extras bring along, as far as it is installed."""
    found: set[str] = set()
    extras = set(importlib.metadata.metadata("fastring").get_all("Provides-Extra") or ())
    to_do = [("fastring", frozenset(extras))]
    seen = set(to_do)
    while to_do:
        name, wanted = to_do.pop()
        try:
            lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        for line in lines:
            need = packaging.Requirement(line)
            applies = need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in {"", *wanted})
            step = (re.sub(r"[-_.]+", "-", need.name).lower(), frozenset(need.extras))
            if applies and step not in seen:
                seen.add(step)
                to_do.append(step)
    return found - {"fastring"}


def licence_of(name: str) -> str:
    """What a distribution says of itself: the expression, or the old fields."""
    told = importlib.metadata.metadata(name)
    classifiers = [line for line in told.get_all("Classifier", []) if line.startswith("License ::")]
    return told.get("License-Expression") or " ".join([*classifiers, (told.get("License") or "")[:200]]).strip()


def test_there_are_dependencies_to_look_at() -> None:
    assert {"numpy", "aiohttp", "av", "multidict"} <= installed_dependencies()


@pytest.mark.parametrize("name", sorted(installed_dependencies()))
def test_nothing_of_them_is_gpl_or_unknown(name: str) -> None:
    licence = licence_of(name)
    assert licence, f"{name} does not say under which licence it is"
    assert not STRICT.search(LESSER.sub("", licence)), f"{name}: {licence}"


def test_a_gpl_would_be_found() -> None:
    for bad in ("GPL-3.0-or-later", "AGPL-3.0", "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"):
        assert STRICT.search(LESSER.sub("", bad))
    assert not STRICT.search(LESSER.sub("", "LGPL-2.1-or-later"))
