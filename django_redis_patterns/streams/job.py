"""What the runtime runs: the handler, for one event after another, or once for a batch of them."""

from collections.abc import Iterator
from typing import Any

from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.exceptions import RedisPatternsError, SerializationError

from .entries import SERIALIZER
from .event import Event
from .seat import Seat, Taken

#: How often consumers may die over one event. From the third time on it is run alone, and so is the one to blame.
CRASHES = 5

#: An event, and why it has failed, if it has.
Ended = tuple[Taken, BaseException | None]


class Killed(RedisPatternsError):
    """An event over which consumers died."""


class Job:
    """Calls the handler for each of *events*, one after another. In a lane, what comes after a failure is not run."""

    __slots__ = ("_consumer", "_ended", "_seat", "events", "key")

    def __init__(self, seat: Seat, events: list[Taken]) -> None:
        self._consumer, self._seat, self.events = seat.consumer, seat, events
        self.key = events[0].lane.decode() or None
        self._ended: list[Ended] = []

    @property
    def is_async(self) -> bool:
        """Whether the handler is an ``async def``."""
        return self._consumer.is_async

    def run(self) -> Any:
        """Call the handler. Raises what an event of a lane has raised, so that nothing behind it is run."""
        if self.is_async:
            return self._arun()
        for taken in self.events:
            try:
                self._consumer.handler(self._event(taken))
            except BaseException as error:
                self._failed(taken, error)
            else:
                self._ended.append((taken, None))
        return None

    async def _arun(self) -> None:
        for taken in self.events:
            try:
                await self._consumer.handler(self._event(taken))
            except BaseException as error:
                self._failed(taken, error)
            else:
                self._ended.append((taken, None))

    def ended(self, done: Done) -> Iterator[Ended]:
        """Yield the events that were run, and how it went. The others were not."""
        return iter(self._ended[:])

    def went_well(self, done: Done) -> bool:
        """Whether all of it succeeded when it was delivered for the first time, as is usual."""
        all_ran = done.ran and done.error is None and len(self._ended) == len(self.events)
        return all_ran and all(error is None and taken.is_first for taken, error in self._ended)

    def _failed(self, taken: Taken, error: BaseException) -> None:
        self._ended.append((taken, error))
        if self.key is not None:
            raise error

    def _event(self, taken: Taken) -> Event:
        """Return what a handler is given. Raises `Killed` and `SerializationError`."""
        id, data, deliveries, failures, _ = taken
        failed = max(failures, 0)
        if deliveries - failed > CRASHES:
            raise Killed(f"{CRASHES} consumers died while they ran it")
        return Event(id.decode(), SERIALIZER.loads(data), failed + 1, seat=self._seat, deliveries=deliveries)


class BatchJob(Job):
    """Calls the handler once, for all of *events* that can be handed to it."""

    __slots__ = ("_good",)

    def __init__(self, seat: Seat, events: list[Taken]) -> None:
        super().__init__(seat, events)
        self._good: list[Taken] = []

    def run(self) -> Any:
        """Call the handler, unless nothing can be handed to it."""
        batch = list(self._readable())
        if self.is_async:
            return self._acall(batch)
        return self._consumer.handler(batch) if batch else None

    async def _acall(self, batch: list[Event]) -> None:
        if batch:
            await self._consumer.handler(batch)

    def ended(self, done: Done) -> Iterator[Ended]:
        """Yield how it went with each event; with a batch that was given up half way, nothing did."""
        if done.ran:
            yield from self._ended
            yield from ((taken, done.error) for taken in self._good)

    def went_well(self, done: Done) -> bool:
        """The same for the one call."""
        all_ran = done.ran and done.error is None and len(self._good) == len(self.events)
        return all_ran and all(taken.is_first for taken in self._good)

    def _readable(self) -> Iterator[Event]:
        for taken in self.events:
            try:
                event = self._event(taken)
            except (Killed, SerializationError) as error:
                self._ended.append((taken, error))
            else:
                self._good.append(taken)
                yield event
