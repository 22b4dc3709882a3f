"""A language model answers what is said: streaming chat completions of any OpenAI-compatible service."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from typing import TYPE_CHECKING, Any

import structlog

from fastring.errors import ConfigError
from fastring.session.replies import ReplyDesk, StartReply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastring.config import RepliesSettings
    from fastring.events import Event, ReplyEnd
    from fastring.server.voice_runner import VoiceRunner
    from fastring.session.replies import Turn

__all__ = ["LanguageModel", "ReplyWitness"]

log = structlog.get_logger("fastring.server")


class LanguageModel:
    """The service, shared by all streams of a server.

    Args:
        settings: where it is and what it may take.

    Raises:
        ConfigError: its client library is not installed.
    """

    def __init__(self, settings: RepliesSettings) -> None:
        if importlib.util.find_spec("openai") is None:
            raise ConfigError('replies.base_url needs openai: pip install "fastring[openai]"')
        import openai

        self.settings = settings
        self.running = 0
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url, api_key=settings.api_key or "none", timeout=settings.timeout_s, max_retries=0
        )

    async def reply(self, turns: tuple[Turn, ...]) -> AsyncIterator[str]:
        """The pieces of a reply as they come; closing the iterator ends the request."""
        settings = self.settings
        messages: list[Any] = [{"role": "system", "content": settings.system_prompt}] if settings.system_prompt else []
        messages += [{"role": turn.role, "content": turn.text} for turn in turns]
        stream = await self._client.chat.completions.create(
            model=settings.model, messages=messages, max_tokens=settings.max_tokens, stream=True
        )
        try:
            async for chunk in stream:
                if chunk.choices and (text := chunk.choices[0].delta.content):
                    yield text
        finally:
            await stream.close()

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.close()


class ReplyWitness:
    """Has the language model answer one voice stream. What goes wrong with it is told, and harms nothing else.

    Args:
        model: the service.
        runner: of the stream; its client is told the replies.
    """

    def __init__(self, model: LanguageModel, runner: VoiceRunner) -> None:
        self._model = model
        self._runner = runner
        self._desk = ReplyDesk(model.settings.history)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def hear(self, event: Event) -> None:
        """See `VoiceWitness`."""
        for order in self._desk.receive(event):
            if isinstance(order, StartReply):
                self._start(order)
            elif (task := self._tasks.pop(order.reply_id, None)) is not None:
                task.cancel()
        self._tell()

    def stop(self) -> None:
        """See `VoiceWitness`."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def _start(self, order: StartReply) -> None:
        if self._model.running >= self._model.settings.max_replies:
            self._desk.receive_end(order.reply_id, "busy")
            return
        self._model.running += 1
        task = asyncio.get_running_loop().create_task(self._run(order), name=f"reply {order.reply_id}")
        self._tasks[order.reply_id] = task
        task.add_done_callback(self._ended)

    def _ended(self, _task: asyncio.Task[None]) -> None:
        self._model.running -= 1

    async def _run(self, order: StartReply) -> None:
        reason: ReplyEnd = "failed"
        try:
            async with contextlib.aclosing(self._model.reply(order.turns)) as pieces:  # type: ignore[type-var]
                await asyncio.wait_for(self._pass_on(order.reply_id, pieces), self._model.settings.timeout_s)
            reason = "stop"
        except Exception as error:  # the service is somebody else's: whatever it does, the stream goes on
            log.warning("no reply", error=type(error).__name__, reason=str(error)[:200])
        self._tasks.pop(order.reply_id, None)
        self._desk.receive_end(order.reply_id, reason)
        self._tell()

    async def _pass_on(self, reply_id: str, pieces: AsyncIterator[str]) -> None:
        async for text in pieces:
            self._desk.receive_delta(reply_id, text)
            self._tell()

    def _tell(self) -> None:
        for event in self._desk.events_to_send():
            self._runner.say(event)
