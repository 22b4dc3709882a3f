from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from fastring.errors import StreamExistsError, UnknownStreamError
from fastring.server.problems import Problem
from fastring.server.registry import CONNECTIONS_PER_STREAM, Registry

if TYPE_CHECKING:
    from fastring.server.registry import Kind


@dataclass
class Fake:
    stream_id: str
    kind: Kind = "audio"

    def stats(self) -> dict[str, Any]:
        return {}

    def summary(self) -> dict[str, Any]:
        return {}

    def stop(self) -> dict[str, Any]:
        return {}


def test_an_id_is_used_once_for_each_kind() -> None:
    registry = Registry(10)
    audio, voice = Fake("a"), Fake("a", "voice")
    registry.add(audio)
    registry.add(voice)
    with pytest.raises(StreamExistsError):
        registry.add(Fake("a"))
    assert registry.get("a") is audio
    assert registry.get("a", "voice") is voice
    assert (len(registry), registry.count("voice")) == (2, 1)


def test_what_is_not_there_is_unknown() -> None:
    registry = Registry(10)
    assert registry.find("a") is None
    with pytest.raises(UnknownStreamError, match="'a'"):
        registry.get("a")


def test_more_streams_than_may_be_are_told_to_come_back() -> None:
    registry = Registry(2)
    registry.add(Fake("a"))
    registry.add(Fake("b"))
    with pytest.raises(Problem) as caught:
        registry.add(Fake("c"))
    assert caught.value.status == 503
    assert caught.value.code == "too_many_streams"
    assert int(caught.value.headers["Retry-After"]) > 0
    assert registry.refused == 1
    registry.remove(registry.get("a"))
    registry.add(Fake("c"))


def test_connections_are_bounded_too() -> None:
    registry = Registry(1)
    registry.connections.update(object() for _ in range(CONNECTIONS_PER_STREAM))  # type: ignore[misc]
    with pytest.raises(Problem, match="connections"):
        registry.admit()


def test_nobody_is_admitted_on_the_way_down() -> None:
    registry = Registry(1)
    registry.draining = True
    with pytest.raises(Problem) as caught:
        registry.add(Fake("a"))
    assert caught.value.code == "shutting_down"


def test_removing_a_stranger_removes_nothing() -> None:
    registry = Registry(2)
    mine = Fake("a")
    registry.add(mine)
    registry.remove(Fake("a"))
    assert registry.get("a") is mine
    assert list(registry) == [mine]
