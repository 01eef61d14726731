"""What is being made by whoever calls: a function that asks for its own result would wait for itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from .place import Place


@dataclass(eq=False)
class _Round:
    """A function that runs, and what is stored only after it has. A task that it started may outlive it."""

    places: frozenset[Place]
    is_over: bool = False


_rounds: ContextVar[tuple[_Round, ...]] = ContextVar("redis_patterns_under_way", default=())


def is_under_way(place: Place) -> bool:
    """Return whether we are inside of the call whose result belongs there."""
    return any(place in one.places and not one.is_over for one in _rounds.get())


def within(places: frozenset[Place], function: Callable[..., Any]) -> Callable[..., Any]:
    """Return *function* as it runs while *places* are being made."""

    def run(*args: Any, **kwargs: Any) -> Any:
        with _round(places):
            return function(*args, **kwargs)

    async def arun(*args: Any, **kwargs: Any) -> Any:
        with _round(places):
            return await function(*args, **kwargs)

    return arun if iscoroutinefunction(function) else run


@contextmanager
def _round(places: frozenset[Place]) -> Iterator[None]:
    mine = _Round(places)
    token = _rounds.set((*_rounds.get(), mine))
    try:
        yield
    finally:
        mine.is_over = True
        with suppress(ValueError):  # a task that nobody awaited any more is closed in another context
            _rounds.reset(token)
