"""An event of every class, with a plausible value in every field."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastring import events
from fastring.events import Latency, Word

LATENCY = Latency(10.0, 20.04, 300.06, 330.123)
WORDS = (Word("One,", 0, 8_000, 0.91234, stable=True), Word("two.", 8_000, 16_000, 0.5))
FEEDBACK = (events.WordFeedback(0, "one", "correct"), events.WordFeedback(1, "two", "minor_mistake", "too"))

_BY_NAME: dict[str, Any] = {
    "text": "One, two.",
    "words": WORDS,
    "latency": LATENCY,
    "onsets": (4_000,),
    "stats": {"messages": 1},
    "fields": {"a": 1},
    "name": "stats",
    "state": "recovered",
    "ended_by": "silence",
    "reason": "stop",
    "extra_words": ("six",),
    "verification": events.Verification("one too six", 0.4, FEEDBACK, ("six",)),
}
_BY_TYPE = {"int": 7, "float": 0.5, "str": "text", "bool": False, "float | None": 0.5, "int | None": 7}


def example(kind: type) -> Any:
    """An event of that class."""
    if kind is events.ChannelEvent:
        return events.ChannelEvent(0, 1, example(events.Final))
    if kind is events.SourceEvent:
        return events.SourceEvent("mic", example(events.Final))
    values = {f.name: _BY_NAME.get(f.name, _BY_TYPE.get(str(f.type))) for f in dataclasses.fields(kind)}
    if kind is events.Recitation:
        values["words"] = FEEDBACK
    assert None not in values.values(), f"teach this test the type of a field of {kind.__name__}: {values}"
    return kind(**values)
