"""What goes into a session (commands) and what it says (events): frozen dataclasses, times in samples.

Codecs turn messages into commands and events into messages; seconds exist only there.

A session numbers its transcript events (`seq`, from 0 without gaps), so that a client can tell what it missed.
"""

from __future__ import annotations

from fastring.events.commands import (
    Audio,
    Clear,
    Close,
    Command,
    Configure,
    Control,
    DeclareSource,
    Echo,
    Endpointing,
    Finalize,
    Ping,
    Resume,
)
from fastring.events.recitation import (
    Recitation,
    RecitationFailed,
    RecitationResult,
    Verification,
    WordFeedback,
)
from fastring.events.replies import (
    ReplyDelta,
    ReplyDone,
    ReplyEnd,
)
from fastring.events.several import (
    ChannelEvent,
    SourceEvent,
)
from fastring.events.speech import (
    EarlyTrigger,
    EarlyTriggerRetracted,
    EndReason,
    Final,
    Heard,
    Latency,
    Partial,
    SpeechEnded,
    SpeechStarted,
    SpeechStopped,
    Transcript,
    Word,
)
from fastring.events.stream import (
    Ack,
    Analysis,
    AnalysisReady,
    Closed,
    Failure,
    Pong,
    Reply,
    Resumed,
    Status,
    VoiceReady,
)

__all__ = [
    "Ack",
    "Analysis",
    "AnalysisReady",
    "Audio",
    "ChannelEvent",
    "Clear",
    "Close",
    "Closed",
    "Command",
    "Configure",
    "Control",
    "DeclareSource",
    "EarlyTrigger",
    "EarlyTriggerRetracted",
    "Echo",
    "EndReason",
    "Endpointing",
    "Event",
    "Failure",
    "Final",
    "Finalize",
    "Heard",
    "Latency",
    "Partial",
    "Ping",
    "Pong",
    "Recitation",
    "RecitationFailed",
    "RecitationResult",
    "Reply",
    "ReplyDelta",
    "ReplyDone",
    "ReplyEnd",
    "Resume",
    "Resumed",
    "SourceEvent",
    "SpeechEnded",
    "SpeechStarted",
    "SpeechStopped",
    "Status",
    "Transcript",
    "Verification",
    "VoiceReady",
    "Word",
    "WordFeedback",
]

Event = (
    VoiceReady
    | AnalysisReady
    | Resumed
    | SpeechStarted
    | Partial
    | EarlyTrigger
    | EarlyTriggerRetracted
    | Final
    | SpeechEnded
    | SpeechStopped
    | Status
    | Ack
    | Analysis
    | Reply
    | ReplyDelta
    | ReplyDone
    | Failure
    | Pong
    | Recitation
    | RecitationResult
    | RecitationFailed
    | Closed
    | ChannelEvent
    | SourceEvent
    | Echo
)
