"""A page that takes a second to make, kept in two ways: as long as it is good, and for a while after that."""

import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeAlias

from django_redis_patterns.caching import cached

MAKE, TTL, STALE = 1.0, 3.0, 30.0  # s
Say: TypeAlias = Callable[..., None]


def _say_nothing(what: str, **about: Any) -> None:
    pass


#: Who is told when the page is being made, and when it is made.
told: list[Say] = [_say_nothing]
#: The number of the visitor whose thread this is; 0 behind the requests.
visitor: ContextVar[int] = ContextVar("visitor", default=0)


@cached(ttl=TTL)
def strict() -> dict[str, Any]:
    """Return the page; when its time is up it is gone."""
    return _make()


@cached(ttl=TTL, stale=STALE)
def lenient() -> dict[str, Any]:
    """Return the page; when its time is up the old one is served while a new one is made."""
    return _make()


PAGES = {"strict": strict, "lenient": lenient}


def _make() -> dict[str, Any]:
    page = {"id": secrets.token_hex(4)}
    told[0]("makes", who=visitor.get(), page=page["id"])
    time.sleep(MAKE)
    told[0]("made", who=visitor.get(), page=page["id"])
    return page | {"made_at": time.time()}
