from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("openai")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from reply_latency import converse


@pytest.mark.full
def test_a_language_model_answers_sooner_with_triggers() -> None:
    """A minute in real time: server, model of digits, chat service, all over sockets."""
    waits: dict[bool, list[float]] = {}
    for early in (False, True):
        talk = asyncio.run(converse(early=early, token_s=0.2, silence_ms=700))
        waits[early] = talk.waits_ms()
        assert len(waits[early]) >= 5
    assert np.median(waits[True]) < np.median(waits[False]) - 100
