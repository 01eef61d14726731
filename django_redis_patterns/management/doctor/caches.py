"""The caches of our backend: each of them is examined like a room, with keys of its own."""

from collections.abc import Iterator

from django.conf import settings as django_settings
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured

from django_redis_patterns.caching.backend.keyspace import Keyspace
from django_redis_patterns.checks.caching import our_caches

from .findings import Finding, Patient, error, warning

_ROOM = "cache "


def is_one(room: str) -> bool:
    """Return whether *room* is a cache."""
    return room.startswith(_ROOM)


def homes() -> list[tuple[str, str]]:
    """Return the caches and the connections that they use."""
    return [(_ROOM + name, caches[name].connection) for name in our_caches() if not _complaint(name)]  # type: ignore[attr-defined]


def broken() -> list[Patient]:
    """Return those that cannot be used as they are configured."""
    told = {name: _complaint(name) for name in our_caches()}
    return [Patient(f"CACHES[{name!r}]", findings=[error("settings", text)]) for name, text in told.items() if text]


def keys(room: str) -> str:
    """Return the pattern of the keys of the cache *room*."""
    return Keyspace(caches[room.removeprefix(_ROOM)]).pattern


def examine(room: str, alias: str) -> Iterator[Finding]:
    """Name the caches whose ``clear()`` would take the entries of this one with its own."""
    name = room.removeprefix(_ROOM)
    prefix = django_settings.CACHES[name].get("KEY_PREFIX", "")
    for other, place in homes():
        twin = other.removeprefix(_ROOM)
        if twin != name and place == alias and django_settings.CACHES[twin].get("KEY_PREFIX", "") == prefix:
            text = f"it has the keys of CACHES[{twin!r}] too: clear() of one empties the other"
            yield warning("keys", text, "Give each of them a KEY_PREFIX.", cache=twin)


def _complaint(name: str) -> str:
    """Return why the cache cannot be used; "" when it can."""
    try:
        Keyspace(caches[name])
        caches[name].connection  # type: ignore[attr-defined]  # noqa: B018
    except (ImproperlyConfigured, ImportError) as complaint:
        return str(complaint)
    return ""
