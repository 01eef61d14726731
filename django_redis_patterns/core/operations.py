"""Write an operation once, serve it three ways.

An operation is one ``async def`` whose first parameter is ``io``, the only thing it may wait for. What it waits for
is a request that surfaces at whoever drives it: the sync face answers by a sync client, the async face on the running
loop, and a `batch` collects the commands of many operations and sends them in one pipeline a round and alias.
"""

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import cache, update_wrapper
from inspect import iscoroutinefunction
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from redis import asyncio as aredis
from redis.commands import AsyncCoreCommands
from redis.exceptions import NoScriptError

from .bell import Bell
from .conductor import Body, Call, Gather, Locate, Run, Sleep, Wait, adrive, ask, close, drive, result
from .connections.clients import is_cluster
from .connections.command import Command
from .connections.options import Address
from .iteration import Iteration
from .scripts import Script

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


class _Commands(AsyncCoreCommands):
    """redis-py's command methods, each of which becomes one request."""

    def __init__(self, alias: str, block: float = 0) -> None:
        self._alias = alias
        self._block = block

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        options.pop("keys", None)  # for redis-py's own client-side cache
        return await ask(Command(self._alias, args, options, self._block))


class IO:
    """What an operation may wait for. ``redis`` is redis-py's asyncio command set on the operation's connection."""

    redis: aredis.Redis

    def __init__(self, alias: str = "default", block: float = 0) -> None:
        self.redis = cast(aredis.Redis, _Commands(alias, block))  # type: ignore[abstract]
        self._alias, self._block = alias, block

    def on(self, alias: str) -> "IO":
        """Return the same verbs on the connection *alias*."""
        return _io(alias)

    async def run(self, script: Script, keys: list[str], args: list[Any]) -> Any:
        """Run *script*; a server that does not know it yet is sent its text."""
        rest = (len(keys), *keys, *args)
        try:
            return await self._execute(script, "EVALSHA", script.sha, *rest)
        except NoScriptError:
            return await self._execute(script, "EVAL", script.text, *rest)

    async def _execute(self, script: Script, *args: Any) -> Any:
        command = Command(self._alias, args, block=self._block, script=script.name, idempotent=script.idempotent)
        return await ask(command)

    async def call(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the user's function or the ORM: a ``def`` off the event loop, a coroutine function on one."""
        is_coroutine = iscoroutinefunction(fn) or iscoroutinefunction(type(fn).__call__)

        async def awaited() -> tuple[Any]:
            return (await fn(*args, **kwargs),)

        # In a tuple: an exception that is returned is not raised.
        (value,) = await ask(Call(awaited if is_coroutine else lambda: (fn(*args, **kwargs),), is_coroutine))
        return value

    async def gather(self, *bodies: Coroutine[Any, Any, T]) -> list[T]:
        """Run bodies side by side, their commands in one pipeline a round, sent in this order; results in order."""
        if len(bodies) == 1:  # beside nothing
            return [await bodies[0]]
        return cast(list[T], await ask(Gather(bodies)))

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await ask(Sleep(seconds))

    async def wait(self, bell: Bell, seconds: float) -> bool:
        """Wait until *bell* rings, at most *seconds*; returns whether it rang."""
        return cast(bool, await ask(Wait(bell, seconds)))

    async def expect_to_wait(self, seconds: float) -> None:
        """Say at the start that this operation may wait, so that who cannot learns it each time, not now and then."""
        await ask(Wait(None, seconds))

    async def primary(self, key: str) -> Address | None:
        """Return the node that serves *key*; None where there is only one."""
        return cast(Address, await ask(Locate(self._alias, key))) if is_cluster(self._alias) else None

    @contextmanager
    def block(self, seconds: float) -> Iterator["IO"]:
        """Give commands that may block for *seconds* (at most 30), and what goes with them, their own connections."""
        yield IO(self._alias, seconds)


@cache
def _io(alias: str) -> IO:
    """Return the verbs of *alias*, which know nothing of who uses them."""
    return IO(alias)


def _starter(body: Callable[..., Any]) -> Callable[..., Any]:
    """Return what starts *body*: a method is looked up by name on its object, which also knows the connection."""
    if next(iter(inspect.signature(body).parameters)) == "io":
        return lambda *args, **kwargs: body(_io("default"), *args, **kwargs)
    name = body.__name__
    return lambda owner, *args, **kwargs: getattr(owner, name)(_io(owner.connection), *args, **kwargs)


@overload
def both(
    body: Callable[Concatenate[IO, P], Coroutine[Any, Any, T]],
) -> tuple[Callable[P, T], Callable[P, Coroutine[Any, Any, T]]]: ...
@overload
def both(
    body: Callable[Concatenate[S, IO, P], Coroutine[Any, Any, T]],
) -> tuple[Callable[Concatenate[S, P], T], Callable[Concatenate[S, P], Coroutine[Any, Any, T]]]: ...
def both(body: Callable[..., Coroutine[Any, Any, Any]]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the sync and the async face of *body*: ``top, atop = both(_top)``.

    A method's body is ``async def _top(self, io, ...)`` and ``self.connection`` names its alias; a function's is
    ``async def _top(io, ...)`` and starts on ``"default"``.
    """

    start = _starter(body)

    def face(*args: Any, **kwargs: Any) -> Any:
        run = Run(start(*args, **kwargs))
        drive([run])
        return result(run)

    async def aface(*args: Any, **kwargs: Any) -> Any:
        run = Run(start(*args, **kwargs))
        await adrive([run])
        return result(run)

    _dress(face, body, "")
    _dress(aface, body, "a")
    face.start, face.twin = start, aface  # type: ignore[attr-defined]
    return face, aface


@overload
def both_iter(body: Callable[Concatenate[IO, P], AsyncGenerator[T, None]]) -> Callable[P, Iteration[T]]: ...
@overload
def both_iter(
    body: Callable[Concatenate[S, IO, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[S, P], Iteration[T]]: ...
def both_iter(body: Callable[..., AsyncGenerator[Any, None]]) -> Callable[..., Iteration[Any]]:
    """Return the face of *body*, an ``async def`` that yields: ``read = both_iter(_read)``.

    There is one for both colours, as Django's querysets have it: ``for entry in log.read()`` and ``async for``. A
    batch takes none, since nobody knows how many trips it makes.
    """

    start = _starter(body)

    def face(*args: Any, **kwargs: Any) -> Iteration[Any]:
        return Iteration(lambda: start(*args, **kwargs))

    _dress(face, body, "")
    return face


def _dress(face: Callable[..., Any], body: Callable[..., Any], prefix: str) -> None:
    update_wrapper(face, body)
    del face.__wrapped__  # type: ignore[attr-defined]
    signature = inspect.signature(body)
    visible = [p for p in signature.parameters.values() if p.name != "io"]
    face.__signature__ = signature.replace(parameters=visible)  # type: ignore[attr-defined]
    name = prefix + body.__name__.lstrip("_")
    face.__name__ = name
    face.__qualname__ = body.__qualname__.rpartition(".")[0] + "." + name if "." in body.__qualname__ else name


class Pending(Generic[T]):
    """The promise of one operation in a `batch`."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._looked_at = False

    @property
    def value(self) -> T:
        """The operation's result, once the batch has ended; raises the operation's own error."""
        if not self._run.done:
            raise RuntimeError("This value is there when the batch has ended: read it after the with block.")
        self._looked_at = True
        return cast(T, result(self._run))


class batch:  # noqa: N801  it is used like a function
    """Run many operations in lock-step, one pipeline a round and alias. No order is promised between operations.

    Leaving the block raises the first error that nobody looked at, unless ``return_exceptions=True``: then each
    ``.value`` raises its own. An operation that blocks or sleeps is refused with a TypeError.
    """

    def __init__(self, *, return_exceptions: bool = False) -> None:
        self._return_exceptions = return_exceptions
        self._pending: list[Pending[Any]] = []

    def __call__(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Pending[T]:
        """Add *operation* (a sync face) and return the promise of its value."""
        start = getattr(operation, "start", None)
        if start is None:
            raise TypeError(f"{operation!r} is not the sync face of an operation; a batch takes nothing else.")
        owner = (operation.__self__,) if hasattr(operation, "__self__") else ()
        pending: Pending[T] = Pending(Run(_Unwaiting(start(*owner, *args, **kwargs))))
        self._pending.append(pending)
        return pending

    def __enter__(self) -> "batch":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        runs = [pending._run for pending in self._pending]
        if kind is not None:
            close(runs)
            return
        drive(runs)
        self._raise_first()

    async def __aenter__(self) -> "batch":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        runs = [pending._run for pending in self._pending]
        if kind is not None:
            close(runs)
            return
        await adrive(runs)
        self._raise_first()

    def _raise_first(self) -> None:
        errors = (p._run.error for p in self._pending if p._run.error is not None and not p._looked_at)
        if not self._return_exceptions and (error := next(errors, None)) is not None:
            raise error


class _Unwaiting:
    """Passes every request of a body through but those that wait."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def send(self, reply: Any, /) -> Any:
        return self._passed(self._body.send(reply))

    def throw(self, error: BaseException, /) -> Any:
        return self._passed(self._body.throw(error))

    def close(self) -> None:
        self._body.close()

    def _passed(self, request: Any) -> Any:
        while isinstance(request, Sleep | Wait) or getattr(request, "block", False):
            request = self._body.throw(TypeError(f"{self._body!r} waits, which a batch cannot: call it on its own."))
        return Gather(tuple(map(_Unwaiting, request.bodies))) if isinstance(request, Gather) else request

    def __repr__(self) -> str:
        return repr(self._body)
