"""Drives the bodies of iterators: async generators whose ``io`` is all that they wait for."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any, Generic, TypeVar, cast

from .conductor import Run, adrive, drive, result

T = TypeVar("T")


class Iteration(Generic[T]):
    """What `both_iter` returns: ``for`` and ``async for`` both run the body, each time from its start.

    Nothing is sent before the first item is asked for, and nothing once the loop is left.
    """

    def __init__(self, start: Callable[[], AsyncGenerator[T, None]]) -> None:
        self._start = start

    def __iter__(self) -> Iterator[T]:
        body = self._start()
        try:
            while not (run := _driven(body.__anext__())).error:
                yield run.value
            _end(run)
        finally:
            _driven(body.aclose())

    async def __aiter__(self) -> AsyncIterator[T]:
        body = self._start()
        try:
            while not (run := await _adriven(body.__anext__())).error:
                yield run.value
            _end(run)
        finally:
            await _adriven(body.aclose())


def _driven(step: Any) -> Run:
    run = Run(step)
    drive([run])
    return run


async def _adriven(step: Any) -> Run:
    run = Run(step)
    await adrive([run])
    return run


def _end(run: Run) -> None:
    """Raise what ended the body, unless it came to its end."""
    if not isinstance(run.error, StopAsyncIteration):
        cast(None, result(run))
