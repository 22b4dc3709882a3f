"""Runs a callback apart from everything else: what it raises is logged and counted, and its slowness is its own.

A plain callback runs in a thread of its own, an async one as a task of its own in an event loop. Neither is ever called
twice at the same time. What it is to be called with is fetched just before each call, so nothing queues up in between:
a source that overwrites its oldest (a ring) stays in charge of what a slow callback misses.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from typing import Any

__all__ = ["CallbackRunner", "Completion", "LoopThread", "callback_runner", "running_loop", "stop_runners"]

logger = logging.getLogger("fastring.streams")

Fetch = Callable[[], "tuple[Any, ...] | None"]


class Completion:
    """What a call returns that may be awaited, but need not be.

    Without a running event loop the work is done when the call returns. Within one, `await` waits for its end.
    """

    def __init__(self, wait: Callable[[], Awaitable[None]] | None = None) -> None:
        self._wait = wait

    def __await__(self) -> Generator[Any, None, None]:
        if self._wait is not None:
            yield from self._wait().__await__()


class LoopThread:
    """An event loop in a thread of its own, for async callbacks of programs that run no loop themselves."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fastring-loop", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the loop; what still runs in it is cancelled."""
        with contextlib.suppress(RuntimeError):  # closed already
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(1.0)

    def _run(self) -> None:
        with contextlib.closing(self.loop):
            self.loop.run_forever()
            if tasks := asyncio.all_tasks(self.loop):
                for task in tasks:
                    task.cancel()
                self.loop.run_until_complete(asyncio.wait(tasks))


class CallbackRunner:
    """One callback, called with whatever `fetch` returns until that is None, and again after each `wake`.

    Attributes:
        name: for logs and statistics.
        delivered: calls that returned.
        errors: calls that raised.
        last_error: what the latest of them raised, as text.
        needs_loop: whether it can only run in an event loop.
    """

    needs_loop = False

    def __init__(self, name: str, callback: Callable[..., Any], fetch: Fetch) -> None:
        self.name = name
        self.delivered = 0
        self.errors = 0
        self.last_error: str | None = None
        self._callback = callback
        self._fetch = fetch
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self._given_up = False
        self._lock = threading.Lock()  # between ending and going on
        self._ended = threading.Event()
        self._ended.set()

    @property
    def running(self) -> bool:
        """Whether it takes what is fetched."""
        return not self._ended.is_set()

    @property
    def stopping(self) -> bool:
        """Whether it was told to end, and not to go on since."""
        return self._stopping

    def start(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Begin, or go on if it was about to stop.

        Args:
            loop: where awaitables run; `needs_loop` tells whether it may be None.
        """
        with self._lock:
            self._stopping = self._given_up = False
            if not self.running:
                self._loop = loop
                self._ended.clear()
                self._begin()

    def stop(self) -> None:
        """Take what can be fetched now, then end."""
        self._stopping = True
        self.wake()

    def give_up(self) -> None:
        """End after the present call, whatever is left."""
        self._stopping = self._given_up = True
        self.wake()

    def join(self, timeout_s: float) -> bool:
        """Wait, on a thread where it does not run, until it has ended, and say whether it has."""
        return self._ended.wait(max(timeout_s, 0.0))

    def inside(self) -> bool:
        """Whether the caller is the callback itself, which cannot wait for its own end."""
        raise NotImplementedError

    def task_here(self) -> asyncio.Task[None] | None:
        """Its task, if that runs in the caller's event loop."""
        return None

    def wake(self) -> None:
        """There is something to fetch. From any thread; never waits."""
        raise NotImplementedError

    def _begin(self) -> None:
        raise NotImplementedError

    def _ends(self, *, idle: bool) -> bool:
        """Whether to end here. Whoever is told so has ended for all others, and does nothing more."""
        with self._lock:
            if self._given_up or (idle and self._stopping):
                self._ended.set()
            return self._ended.is_set()

    def _count(self, error: BaseException) -> None:
        self.errors += 1
        self.last_error = f"{type(error).__name__}: {error}"
        if (
            self.errors & (self.errors - 1) == 0
        ):  # 1st, 2nd, 4th, 8th, ...: one that always fails must not flood the log
            logger.error("stream callback %s raised (%d so far)", self.name, self.errors, exc_info=error)


class _ThreadRunner(CallbackRunner):
    """A plain callback, in a thread of its own."""

    def __init__(self, name: str, callback: Callable[..., Any], fetch: Fetch) -> None:
        super().__init__(name, callback, fetch)
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def inside(self) -> bool:
        return threading.current_thread() is self._thread

    def wake(self) -> None:
        self._wake.set()

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"fastring-{self.name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ends(idle=False):
            arguments = self._fetch()
            if arguments is not None:
                self._call(arguments)
            elif self._ends(idle=True):
                return
            else:
                self._wake.wait()
                self._wake.clear()

    def _call(self, arguments: tuple[Any, ...]) -> None:
        try:
            answer = self._callback(*arguments)
            if inspect.isawaitable(answer):  # a lambda around an async function, for example
                self._run_awaitable(answer)
        except BaseException as error:  # sys.exit() as well: on a thread that is not the main one, nobody would hear it
            self._count(error)
        else:
            self.delivered += 1

    def _run_awaitable(self, answer: Awaitable[object]) -> None:
        if self._loop is None:
            asyncio.run(_outcome(answer))
        else:
            asyncio.run_coroutine_threadsafe(_outcome(answer), self._loop).result()


class _TaskRunner(CallbackRunner):
    """An async callback, as a task in an event loop."""

    needs_loop = True

    def __init__(self, name: str, callback: Callable[..., Any], fetch: Fetch) -> None:
        super().__init__(name, callback, fetch)
        self._loop_thread = 0
        self._wake: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    def inside(self) -> bool:
        return running_loop() is self._loop and self._task is not None and asyncio.current_task() is self._task

    def task_here(self) -> asyncio.Task[None] | None:
        return self._task if running_loop() is self._loop else None

    def wake(self) -> None:
        if self._wake is None or self._wake.is_set():
            return  # not begun, or awake: it fetches before it sleeps again
        if threading.get_ident() == self._loop_thread:
            self._wake.set()
        else:
            self._call_soon(self._wake.set)

    def give_up(self) -> None:
        super().give_up()
        if self._task is not None and not self.inside():
            self._call_soon(self._task.cancel)

    def _call_soon(self, function: Callable[[], object]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop was closed without stop_processing
            if self.running:
                logger.warning("stream callback %s ended with its event loop", self.name)
                self._ended.set()

    def _begin(self) -> None:
        assert self._loop is not None
        if self._loop is running_loop():
            self._begin_task()
        else:
            self._call_soon(self._begin_task)

    def _begin_task(self) -> None:
        self._loop_thread = threading.get_ident()
        self._wake = asyncio.Event()
        self._task = asyncio.ensure_future(self._run(self._wake))
        self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        if task is self._task:  # else it went on as another task already
            self._task = None
            self._ended.set()

    async def _run(self, wake: asyncio.Event) -> None:
        while not self._ends(idle=False):
            arguments = self._fetch()
            if arguments is not None:
                await self._call(arguments)
            elif self._ends(idle=True):
                return
            else:
                await wake.wait()
                wake.clear()

    async def _call(self, arguments: tuple[Any, ...]) -> None:
        try:
            await self._callback(*arguments)
        except asyncio.CancelledError as error:
            if self._given_up or _being_cancelled():
                raise
            self._count(error)  # of something that the callback awaited, not of this task
        except Exception as error:
            self._count(error)
        else:
            self.delivered += 1
        await asyncio.sleep(0)  # a callback that never waits must not keep the loop from the other streams


def callback_runner(name: str, callback: Callable[..., Any], fetch: Fetch) -> CallbackRunner:
    """The runner that fits the callback.

    Args:
        name: for logs and statistics.
        callback: plain or async; called with the arguments that `fetch` returns.
        fetch: the next arguments, or None if there is nothing yet. Called only from where the callback runs.

    Raises:
        TypeError: if `callback` cannot be called.
    """
    if not callable(callback):
        raise TypeError(f"callback {callback!r}: must be callable")
    is_async = inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(type(callback).__call__)
    return (_TaskRunner if is_async else _ThreadRunner)(name, callback, fetch)


def stop_runners(runners: Iterable[CallbackRunner], timeout_s: float) -> Completion:
    """Stop all of them; they may finish what is there, and those that need longer than `timeout_s` are given up."""
    runners = [runner for runner in runners if runner.running]
    for runner in runners:
        runner.stop()
    waited_for = [runner for runner in runners if not runner.inside()]
    deadline = time.monotonic() + timeout_s
    if running_loop() is None:
        _wait_for(waited_for, deadline)
        return Completion()

    async def wait() -> None:
        tasks = [task for runner in waited_for if (task := runner.task_here()) is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
        await asyncio.to_thread(_wait_for, waited_for, deadline)

    return Completion(wait)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs on this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _wait_for(runners: Iterable[CallbackRunner], deadline: float) -> None:
    for runner in runners:
        if not runner.join(deadline - time.monotonic()) and runner.stopping:
            logger.warning("stream callback %s did not end in time; what is left is not delivered", runner.name)
            runner.give_up()


def _being_cancelled() -> bool:
    """Whether somebody cancels the current task; Python 3.10 cannot tell, and then that is taken to be so."""
    task = asyncio.current_task()
    return task is None or not hasattr(task, "cancelling") or task.cancelling() > 0


async def _outcome(answer: Awaitable[object]) -> None:
    await answer
