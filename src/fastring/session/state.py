"""The life of an utterance, as a table. Every change of state goes through `transition`.

An utterance is one stretch of speech between two endpoints. Its audio is a run of segments, each decoded on its own:
the open one again and again while it grows (partials), and once more when it is whole. Mostly there is one segment;
speech is cut where the speaker rests, and at a word that the engine has heard whole where it goes on for longer than a
segment may.

    OPEN        speech goes on; the open segment is decoded every hop
    CUTTING     the segment has reached its longest, or the speaker rests; its decode is out, after which the next opens
    LAST_CUT    the same, and the endpoint has been reached meanwhile
    ENDING      the endpoint is reached and the last segment's decode is wanted or out
    DONE        every word has been said: the final can be sent

           ┌───────decoded───────┐
           ▼                     │
    ──▶  OPEN  ────cut─────▶  CUTTING
           │                     │
       endpoint               endpoint
           ▼                     ▼
        ENDING ◀──decoded──  LAST_CUT
           │  └────cut─────▶     │
        finished             finished
           ▼                     ▼
         DONE  ◀─────────────────┘

Where segments begin and end depends on the audio and on what the engine hears in it, never on when audio, results or
commands arrive: a cut is always made in the segment's first `max_segment_s`, even when much more is there already.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

__all__ = ["Change", "State", "transition"]


class State(Enum):
    """Where an utterance stands."""

    OPEN = auto()
    CUTTING = auto()
    LAST_CUT = auto()
    ENDING = auto()
    DONE = auto()


class Change(Enum):
    """What can happen to an utterance."""

    CUT = auto()  # the open segment has reached max_segment_s, or the speaker rests
    ENDPOINT = auto()  # silence, finalize, close or the longest utterance
    DECODED = auto()  # the decode of the whole segment came back, or was given up; audio is left after it
    FINISHED = auto()  # the same, and no audio is left


_TABLE: Final = {
    (State.OPEN, Change.CUT): State.CUTTING,
    (State.OPEN, Change.ENDPOINT): State.ENDING,
    (State.CUTTING, Change.DECODED): State.OPEN,
    (State.CUTTING, Change.ENDPOINT): State.LAST_CUT,
    (State.LAST_CUT, Change.DECODED): State.ENDING,
    (State.LAST_CUT, Change.FINISHED): State.DONE,
    (State.ENDING, Change.CUT): State.LAST_CUT,
    (State.ENDING, Change.FINISHED): State.DONE,
}


def transition(state: State, change: Change) -> State:
    """The state that follows.

    Raises:
        ValueError: if the change cannot happen in this state; that is a bug in the session.
    """
    try:
        return _TABLE[state, change]
    except KeyError:
        raise ValueError(f"{change.name} cannot happen to an utterance that is {state.name}") from None
