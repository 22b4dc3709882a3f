"""The promise of resuming under thousands of random schedules: every event once, in order, as if nothing had been."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from resume_model import Schedule


async def run(seeds: range, *, restarts: bool) -> tuple[int, int]:
    """Faults there were, and resumes; raises AssertionError where a schedule broke the promise."""
    faults = resumed = 0
    for seed in seeds:
        schedule = Schedule(seed, restarts=restarts)
        try:
            await schedule.run()
        except AssertionError as error:
            raise AssertionError(f"schedule {seed}: {error}") from error
        faults += schedule.faults
        resumed += sum(type(event).__name__ == "Resumed" for event in schedule.told)
    return faults, resumed


@pytest.mark.parametrize("restarts", [False, True], ids=["cuts", "cuts and restarts"])
async def test_a_thousand_schedules(restarts: bool) -> None:
    faults, resumed = await run(range(500), restarts=restarts)
    assert faults > 500
    assert resumed > 200


async def test_no_commit_falls_between_the_end_of_an_utterance_and_the_start_of_the_next() -> None:
    faults, _ = await run(range(1_001_135, 1_001_136), restarts=True)  # the schedule that showed it
    assert faults


@pytest.mark.full
@pytest.mark.parametrize("restarts", [False, True], ids=["cuts", "cuts and restarts"])
async def test_a_hundred_thousand_schedules(restarts: bool, figures: Callable[[str], None]) -> None:
    began = time.monotonic()
    faults, resumed = await run(range(1_000_000, 1_050_000), restarts=restarts)
    took_s = time.monotonic() - began
    figures(f"50,000 schedules, {faults} faults, {resumed} resumed, {took_s:.0f} s: all kept")
    assert faults > 50_000
    assert resumed > 20_000


async def test_the_model_sees_a_token_that_is_used_up_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """With tokens of one use, an answer that is lost with its connection would cost the session."""
    from fastring.server.sessions.store import MemoryStore

    claim = MemoryStore.claim

    async def only_the_newest(self: MemoryStore, session: str, *, epoch: int, node: str) -> object:
        held = self._records.get(session)
        return await claim(self, session, epoch=epoch, node=node) if held and held[0].epoch == epoch else None

    monkeypatch.setattr(MemoryStore, "claim", only_the_newest)
    with pytest.raises(AssertionError, match="schedule"):
        await run(range(500), restarts=False)


async def test_the_model_sees_a_commit_that_comes_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the server told the client to forget what it has only received, a restart would lose it."""
    from fastring.events import Ack
    from fastring.server.progress import Progress

    monkeypatch.setattr(Progress, "ack", lambda self, _waiting: Ack(self._received, self._received))
    with pytest.raises(AssertionError, match="schedule"):
        await run(range(500), restarts=True)
