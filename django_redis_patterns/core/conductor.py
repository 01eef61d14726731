"""Drives bodies: the sans-IO conductor and the two drivers that answer its work, sync and on an event loop."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from types import coroutine
from typing import Any, Protocol, cast

from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation

from .bell import Bell
from .connections.clients import aprimary, primary
from .connections.command import Command
from .connections.wire import asend, send


@dataclass
class Call:
    """Ask the driver to call the user's code."""

    call: Callable[[], Any]
    is_coroutine: bool


@dataclass
class Sleep:
    seconds: float


@dataclass
class Wait:
    """Ask the driver to wait for a ring, or (without a bell) only whether it could wait that long."""

    bell: Bell | None
    seconds: float


@dataclass
class Locate:
    """Ask the driver which node of a cluster serves a key."""

    alias: str
    key: str


class Body(Protocol):
    """A coroutine, as far as it takes one to drive it."""

    def send(self, reply: Any, /) -> Any: ...
    def throw(self, error: BaseException, /) -> Any: ...
    def close(self) -> None: ...


@dataclass
class Gather:
    bodies: Sequence[Body]


Request = Command | Call | Sleep | Wait | Locate | Gather
_REQUESTS = {Command, Call, Sleep, Wait, Locate, Gather}


@coroutine
def ask(request: Request) -> Generator[Request, Any, Any]:
    """Surface *request* at the driver, and return its reply."""
    return (yield request)


class Run:
    """One running body: what it waits for, and in the end its value or error."""

    __slots__ = ("body", "children", "done", "error", "parent", "request", "value")

    def __init__(self, body: Body, parent: "Run | None" = None) -> None:
        self.body, self.parent = body, parent
        self.children: list[Run] = []
        self.request: Request | None = None
        self.value: Any = None
        self.error: Exception | None = None
        self.done = False

    def step(self, reply: Any = None) -> None:
        """Hand *reply* to the body, as an exception if it is one, and let it run to its next request."""
        try:
            request = self.body.throw(reply) if isinstance(reply, BaseException) else self.body.send(reply)
        except StopIteration as stop:
            self.value, self.done = stop.value, True
        except Exception as error:
            self.error, self.done = error, True
        else:
            self.request = request
            if type(request) not in _REQUESTS:
                self.step(RuntimeError(f"{self.body!r} waited for something other than its io."))


_Single = Call | Sleep | Wait | Locate
_Work = list[Command] | Command | _Single


def _conduct(runs: list[Run]) -> Generator[_Work, Any, None]:
    """Run bodies in lock-step. Yields work for a driver, which sends back a list of replies, or one reply."""
    waiting = runs
    for run in runs:
        run.step()
    if len(runs) == 1:  # until it gathers, nobody shares its trips
        (alone,) = runs
        while not alone.done and not isinstance(alone.request, Gather):
            alone.step((yield cast(_Work, alone.request)))
    while waiting := _settle(waiting):
        by_alias: dict[tuple[str, float], list[Run]] = {}
        for run in waiting:
            if isinstance(run.request, Command):
                by_alias.setdefault((run.request.alias, run.request.block), []).append(run)
        for together in by_alias.values():
            replies = yield [cast(Command, run.request) for run in together]
            for run, reply in zip(together, replies, strict=True):
                run.step(reply)
        for run in [run for run in waiting if not by_alias and isinstance(run.request, _Single)]:
            run.step((yield cast(_Single, run.request)))


def _settle(runs: list[Run]) -> list[Run]:
    """Return the runs that wait for the driver: done ones wake the parent that gathers them, gathers bring children."""
    waiting: list[Run] = []
    queue = deque(runs)
    while queue:
        run = queue.popleft()
        if run.done and run.parent and all(child.done for child in run.parent.children):
            parent = run.parent
            children, parent.children = parent.children, []
            if children:
                error = next((child.error for child in children if child.error), None)
                parent.step(error or [child.value for child in children])
                queue.append(parent)
        elif not run.done and isinstance(run.request, Gather):
            run.children = [Run(body, run) for body in run.request.bodies]
            for child in run.children:
                child.step()
            if not run.children:
                run.step([])
            queue += run.children or [run]
        elif not run.done:
            waiting.append(run)
    return waiting


def _attempt(act: Callable[[], Any]) -> Any:
    """Call; what it raises goes through the body, which may have something to give back. An interruption too."""
    try:
        return act()
    except BaseException as error:
        return error


def drive(runs: list[Run]) -> None:
    conductor = _conduct(runs)
    reply: Any = None
    try:
        while True:
            work = conductor.send(reply)
            if isinstance(work, Command):
                refuse_to_block_a_loop(work.block)
                reply = send([work])[0]
            elif isinstance(work, list):
                refuse_to_block_a_loop(work[0].block)
                reply = send(work)
            elif isinstance(work, Call):
                reply = _attempt(async_to_sync(_awaiting(work)) if work.is_coroutine else work.call)
            elif isinstance(work, Locate):
                reply = _attempt(partial(primary, work.alias, work.key))
            else:
                refuse_to_block_a_loop(work.seconds)
                reply = _waited(work)
    except StopIteration:
        pass
    finally:
        close(runs)


def _waited(work: Sleep | Wait) -> bool:
    if isinstance(work, Sleep):
        time.sleep(work.seconds)
    return isinstance(work, Wait) and work.bell is not None and work.bell.wait(work.seconds)


def _awaiting(work: Call) -> Callable[[], Awaitable[Any]]:
    async def call() -> Any:
        return await work.call()

    return call


async def adrive(runs: list[Run]) -> None:
    conductor = _conduct(runs)
    reply: Any = None
    try:
        while True:
            work = conductor.send(reply)
            if isinstance(work, Command):
                reply = (await asend([work]))[0]
            elif isinstance(work, list):
                reply = await asend(work)
            elif isinstance(work, Sleep):
                await asyncio.sleep(work.seconds)
                reply = None
            elif isinstance(work, Wait):
                reply = work.bell is not None and await work.bell.wait_on_loop(work.seconds)
            else:
                reply = await _aattempt(work)
    except StopIteration:
        pass
    finally:
        close(runs)


async def _aattempt(work: Call | Locate) -> Any:
    try:
        if isinstance(work, Locate):
            return await aprimary(work.alias, work.key)
        return await (work.call() if work.is_coroutine else sync_to_async(work.call)())
    except BaseException as error:
        return error


def close(runs: list[Run]) -> None:
    for run in runs:
        if not run.done:
            close(run.children)
            run.body.close()


def refuse_to_block_a_loop(seconds: float) -> None:
    """Raise `SynchronousOnlyOperation` when waiting *seconds* would hold up a running event loop."""
    if not seconds or asyncio._get_running_loop() is None:  # get_running_loop() would raise: slower than a near hit
        return
    raise SynchronousOnlyOperation(
        "This waits and would block the event loop: await its async twin (the a... name), or use `async for`."
    )


def result(run: Run) -> Any:
    if run.error is not None:
        raise run.error
    return run.value
