"""A client of a fastring server: live speech that survives its connections, and plain streams.

`VoiceStream` streams audio and gives typed events, reconnects and resumes by itself; `transcribe` does the same for a
whole source (an array, a file, a microphone, any iterator). `fastring.client.sync` has both without `await`. `connect`
is one WebSocket with the protocol's messages as they are. All of them need aiohttp: `pip install "fastring[client]"`.
"""

from fastring.client.conversation import Limits
from fastring.client.dialing import Patience
from fastring.client.events import (
    AudioLost,
    ClientEvent,
    Closed,
    EarlyTrigger,
    EarlyTriggerRetracted,
    Final,
    Partial,
    Ready,
    Reconnecting,
    Restarted,
    Resumed,
    ServerError,
    SpeechEnded,
    SpeechStarted,
    Status,
    Word,
)
from fastring.client.plain import ClientStream, connect
from fastring.client.sources import microphone
from fastring.client.transcribing import transcribe
from fastring.client.voice import VoiceStream

__all__ = [
    "AudioLost",
    "ClientEvent",
    "ClientStream",
    "Closed",
    "EarlyTrigger",
    "EarlyTriggerRetracted",
    "Final",
    "Limits",
    "Partial",
    "Patience",
    "Ready",
    "Reconnecting",
    "Restarted",
    "Resumed",
    "ServerError",
    "SpeechEnded",
    "SpeechStarted",
    "Status",
    "VoiceStream",
    "Word",
    "connect",
    "microphone",
    "transcribe",
]
