"""Fallback in the middle of a conversation, with a service that fails at every message of it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
import tone_language
from deepgram_peer import Answer, DeepgramPeer, Fault, settings_for
from scripted_world import World, check_order, make_world
from tone_language import ToneTranscriber, say

from fastring.asr.deepgram.batch import DeepgramBatchTranscriber
from fastring.asr.deepgram.stream import DeepgramTranscriber
from fastring.asr.fallback import FallbackTranscriber
from fastring.events import Failure, Status, Word

CONVERSATION = say([0.4, "bana bapo bari", 0.6, "kina kipo kiri kise", 0.6])
SAID = ["bana bapo bari", "kina kipo kiri kise"]
THREADS = 8


@dataclass
class _Sound:
    samples: np.ndarray
    words: tuple[Word, ...] = ()


def converse(fault: Fault | None, *, live: Answer = "serve", batch: Answer = "serve") -> tuple[World, DeepgramPeer]:
    """A whole conversation: session, fallback, Deepgram live and batch over sockets, and a local engine."""
    stalls = "stall" in (live, batch, fault.kind if fault else "", fault.then if fault else "")
    with DeepgramPeer(tone_language.hear, fault=fault, live=live, batch=batch) as peer:
        settings = settings_for(peer, timeout_s=1.0 if stalls else 10.0, retries=1)
        chain = FallbackTranscriber(
            [DeepgramTranscriber(settings), DeepgramBatchTranscriber(settings), ToneTranscriber("local")],
            breaker_failures=2,
            breaker_s=0.01,
        )
        world = make_world(
            _Sound(CONVERSATION),  # type: ignore[arg-type]
            engine=lambda asked: chain.transcribe([asked])[0],
            capabilities=chain.capabilities,
        )
        world.send(CONVERSATION)
        world.close()
        peer.boundaries_of_speech = peer.boundaries
        chain.close()
    return world, peer


def story(world: World) -> list[tuple[str, str]]:
    return [(event.engine, event.reason) for event in world.events if isinstance(event, Status)]


def check(world: World) -> None:
    """Each word once, in order, without an error, and what was stable stayed."""
    check_order(world.events)
    assert [final.text for final in world.finals] == SAID
    assert not [event for event in world.events if isinstance(event, Failure)]


@pytest.fixture(scope="module")
def boundaries() -> int:
    """Messages of the conversation when nothing goes wrong."""
    world, peer = converse(None)
    check(world)
    assert story(world) == []
    assert len(world.partials) > 4
    return peer.boundaries_of_speech


STORIES = {
    # What happens, how the service is afterwards, and what may be told then.
    ("cut", "serve"): {()},
    ("cut", 503): {(("deepgram-batch", "busy"),)},
    ("close", 401): {(("deepgram-batch", "refused"),)},
    ("stall", "stall"): {(("deepgram-batch", "timeout"),)},
    ("stall", "serve"): {
        (("deepgram-batch", "timeout"), ("deepgram", "recovered")),
        (("deepgram-batch", "timeout"),),  # in the last utterance
    },
}


@pytest.mark.parametrize(("kind", "then"), STORIES)
def test_at_every_message_the_finals_are_those_of_an_uncut_run(
    boundaries: int, kind: Literal["cut", "stall", "close"], then: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    with ThreadPoolExecutor(THREADS) as threads:
        runs = list(threads.map(lambda at: converse(Fault(kind, at, then))[0], range(boundaries)))
    for world in runs:
        check(world)
        assert tuple(story(world)) in STORIES[kind, then]
    assert {tuple(story(world)) for world in runs} == STORIES[kind, then]


@pytest.mark.parametrize(("batch", "why"), [(500, "broken"), ("stall", "timeout")])
def test_with_all_of_the_cloud_gone_the_local_engine_hears_every_word(
    boundaries: int, batch: Answer, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    with ThreadPoolExecutor(THREADS) as threads:
        runs = list(
            threads.map(lambda at: converse(Fault("cut", at, 503), batch=batch)[0], range(0, boundaries - 1, 4))
        )
    assert runs
    for world in runs:
        check(world)
        assert story(world) in ([("deepgram-batch", "busy"), ("local", why)], [("local", "busy")])


@pytest.mark.parametrize("live", [401, 402, 429, 503, "stall"])
def test_refused_from_the_start(live: Answer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    world, peer = converse(None, live=live)
    check(world)
    assert [engine for engine, _ in story(world)] == ["deepgram-batch"]
    assert len(peer.posts) == 2
