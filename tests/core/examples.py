"""Operations to test with: the bodies that are hard to serve three ways."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib.auth.models import User

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script

BUMP = Script("bump.lua")


def text(reply: Any) -> str:
    return cast(bytes, reply).decode()


class Shelf:
    """Methods on a connection of the object's own."""

    def __init__(self, connection: str = "default") -> None:
        self.connection = connection

    async def _put(self, io: IO, name: str, value: str) -> bool:
        """Store *value*."""
        return bool(await io.redis.set(name, value))

    put, aput = both(_put)

    async def _get(self, io: IO, name: str, *, default: str = "") -> str:
        """Return what was stored."""
        value = await io.redis.get(name)
        return text(value) if value is not None else default

    get, aget = both(_get)

    async def _bump(self, io: IO, name: str, by: int = 1) -> int:
        """Add in Lua."""
        return cast(int, await io.run(BUMP, keys=[name], args=[by]))

    bump, abump = both(_bump)

    async def _note(self, io: IO, *names: str) -> int:
        """Write the names of one call on a line."""
        return cast(int, await io.redis.rpush("notes", " ".join(names)))

    note, anote = both(_note)

    async def _page(self, io: IO, board: str, count: int) -> list[str]:
        """Return the best, with names from SQL."""
        ids = [int(text(member)) for member in await io.redis.zrange(board, 0, count - 1, desc=True)]
        users = await io.call(User.objects.in_bulk, ids)
        return [users[pk].username for pk in ids]

    page, apage = both(_page)

    async def _cached(self, io: IO, name: str, compute: Callable[[], Any]) -> str:
        """Return the stored value, else compute it by the user's function, whatever its colour."""
        if (value := await io.redis.get(name)) is not None:
            return text(value)
        fresh = await io.call(compute)
        await io.redis.set(name, fresh)
        return str(fresh)

    cached, acached = both(_cached)

    async def _take(self, io: IO, name: str, wait: float) -> str | None:
        """Wait for an element."""
        with io.block(wait) as waiting:
            told = await waiting.redis.blpop([name], timeout=wait)
        return text(told[1]) if told else None

    take, atake = both(_take)

    async def _nap(self, io: IO, seconds: float) -> str:
        """Sleep."""
        await io.sleep(seconds)
        return "rested"

    nap, anap = both(_nap)

    async def _nap_inside(self, io: IO) -> list[str]:
        """Sleep where a batch does not look at first."""
        return await io.gather(self._nap(io, 0.01), self._nap(io, 0.01))

    nap_inside, anap_inside = both(_nap_inside)

    async def _several(self, io: IO, *names: str) -> list[list[str]]:
        """Gather inside of gather."""
        return await io.gather(self._pair(io, *names[:2]), self._pair(io, *names[2:]))

    several, aseveral = both(_several)

    async def _pair(self, io: IO, *names: str) -> list[str]:
        return await io.gather(*(self._get(io, name) for name in names))

    async def _forgiving(self, io: IO, name: str) -> str:
        """Go on after an error of Redis."""
        try:
            await io.redis.lpush(name, "x")
        except Exception as error:
            return type(error).__name__
        return "pushed"

    forgiving, aforgiving = both(_forgiving)

    async def _fail(self, io: IO, why: str) -> None:
        """Raise after one trip."""
        await io.redis.ping()
        raise ValueError(why)

    fail, afail = both(_fail)


class LoudShelf(Shelf):
    """Overrides a body, and nothing else."""

    async def _get(self, io: IO, name: str, *, default: str = "") -> str:
        return (await super()._get(io, name, default=default)).upper()


async def _echo(io: IO, words: str) -> str:
    """Say it back."""
    return text(await io.redis.echo(words))


echo, aecho = both(_echo)


async def _both_sides(io: IO, name: str) -> list[Any]:
    """Read one key on two connections."""
    return await io.gather(_read(io, name), _read(io.on("other"), name))


async def _read(io: IO, name: str) -> Any:
    return await io.redis.get(name)


both_sides, aboth_sides = both(_both_sides)
