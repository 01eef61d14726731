"""What ``manage.py redis consume`` works at: the handlers of this site, or some of them."""

from collections.abc import Sequence
from typing import Any

from django_redis_patterns.conf import settings
from django_redis_patterns.core.operations import IO, batch, both
from django_redis_patterns.core.worker.lease import hold

from .consumer import Consumer
from .feed import Feed
from .groups import tend
from .registry import consumers
from .stream import Stream


class Workload:
    """The handlers *chosen*; `django_redis_patterns.core.worker.feed.Workload` says what is asked of it."""

    def __init__(self, chosen: Sequence[Consumer]) -> None:
        self._chosen = chosen
        self._streams: list[Stream] = list({one.stream.name: one.stream for one in chosen}.values())

    @property
    def lease(self) -> float:
        """Seconds after which what a vanished process had is taken over."""
        return settings().streams.lease

    @property
    def banner(self) -> Sequence[str]:
        """A line for each handler."""
        return [f"{one.name}  {one.path}  {_kind(one)}" for one in self._chosen]

    def hold(self, names: Sequence[str], seconds: float) -> Sequence[str]:
        """Prolong the leases of processes; return those that had run out."""
        with batch() as together:
            told = [together(hold, stream.connection, stream.keys.live, names, seconds) for stream in self._streams]
        return sorted({name for lapsed in told for name in lapsed.value})

    def release(self, names: Sequence[str]) -> None:
        """Make due at once what these processes had; they are gone."""
        self.hold(names, 0)
        for stream in self._streams:
            clear(stream, [one.group for one in self._chosen if one.stream is stream], names)

    def known(self) -> Sequence[str]:
        """Return every process that has a lease, or had one and was not cleared away."""
        return sorted({name for stream in self._streams for name in names_of(stream)})

    def feeds(self, name: str) -> Sequence[Feed]:
        """Return a feed of each handler, for the process *name*."""
        return [Feed(one, name, self.lease) for one in self._chosen]


def workload(names: Sequence[str] = (), group: str | None = None) -> Workload:
    """Return the handlers of the streams *names*, of all if there are none, in *group* if one is given.

    Raises ValueError when that is nothing, and says what there is.
    """
    declared = consumers()
    unknown = set(names) - {one.stream.name for one in declared}
    wanted = [one for one in declared if not names or one.stream.name in names]
    chosen = [one for one in wanted if group is None or one.group == group]
    if unknown or not chosen:
        there = ", ".join(one.name for one in declared) or "none: declare one in events.py of an installed app"
        what = ", ".join(sorted(unknown)) or group or "everything"
        raise ValueError(f"Nobody consumes {what}. Handlers: {there}.")
    return Workload(chosen)


async def _names_of(io: IO, stream: Stream) -> list[str]:
    """Return the processes that have, or had, a lease on *stream*."""
    found: Any = await io.on(stream.connection).redis.zrange(stream.keys.live, 0, -1)
    return [name.decode() for name in found]


async def _clear(io: IO, stream: Stream, groups: Sequence[str], names: Sequence[str]) -> None:
    """Make due what the dead *names* had in *groups*, and forget them."""
    on = io.on(stream.connection)
    await on.gather(*(tend(on, stream.keys, group, dead=names) for group in groups))
    await on.redis.zrem(stream.keys.live, *names)


names_of, anames_of = both(_names_of)
clear, aclear = both(_clear)


def _kind(consumer: Consumer) -> str:
    size = f", batches of {consumer.batch}" if consumer.batch > 1 else ""
    order = f", ordered by {consumer.ordered_by}" if consumer.ordered_by else ""
    return f"{consumer.concurrency} at once{size}{order}"
