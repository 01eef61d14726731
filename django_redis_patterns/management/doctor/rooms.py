"""Which room lives where, and whether it is well there."""

from collections.abc import Iterator

from django.conf import settings as django_settings

from django_redis_patterns.checks.sessions import ENGINE
from django_redis_patterns.conf import ROOMS, settings
from django_redis_patterns.leaderboards.following import all_boards
from django_redis_patterns.ratelimit.rules import rules
from django_redis_patterns.streams.registry import consumers

from . import caches, rights
from .findings import Finding, Patient, error, ok, unknown, warning


def homes() -> list[tuple[str, str]]:
    """Return rooms and caches, and the connections that they use; a room of which some name their own has several."""
    names = [room.lower() for room in ROOMS]
    found = [(room, getattr(settings(), room).connection) for room in names if is_used(room) is not False]
    found += [("leaderboards", board.connection) for board in all_boards()]
    found += [("ratelimit", rule.alias) for rule in rules().values()]
    found += [("streams", one.stream.connection) for one in consumers()]
    return [*sorted(set(found), key=lambda home: (names.index(home[0]), home[1])), *caches.homes()]


def is_used(room: str) -> bool | None:
    """Return whether the site uses *room*; None when settings and models do not tell."""
    if caches.is_one(room):
        return True
    if room == "sessions":
        return str(django_settings.SESSION_ENGINE) == ENGINE
    declared = {"leaderboards": all_boards, "ratelimit": rules, "streams": consumers}
    return True if room in declared and declared[room]() else None


def eviction(room: str, patient: Patient) -> Iterator[Finding]:
    """Judge what Redis does when its memory is full; INFO tells the policy, CONFIG is never asked."""
    needs = rights.needs(room)
    if needs.WHEN_EVICTED and not patient.told("memory", "policy"):
        yield unknown("eviction", "not known: Redis does not tell its policy")
    for policy in sorted(patient.told("memory", "policy")):
        is_safe = policy == "noeviction" or not needs.WHEN_EVICTED
        if is_safe:
            effect = "nothing of it is evicted" if policy == "noeviction" else "that does no harm here"
            yield ok("eviction", f"{policy}: {effect}")
            continue
        is_near = patient.told("memory", "maxmemory") != {0}
        text = f"{policy}: when memory is full, {needs.WHEN_EVICTED}"
        judged = error if needs.EVICTION_IS_WRONG and is_near else warning
        yield judged("eviction", text, "maxmemory-policy noeviction; a cache needs another server for its own policy.")


def survival(room: str, patient: Patient) -> Iterator[Finding]:
    """Judge what a restart of Redis leaves."""
    forgotten = rights.needs(room).WHEN_FORGOTTEN
    if not forgotten:
        yield ok("persistence", "it keeps nothing in Redis that must last")
        return
    kinds = patient.told("persistence", "kind")
    if "none" in kinds:
        cure = "appendonly yes, appendfsync everysec."
        yield warning("persistence", f"none seen; without it, after a restart {forgotten}", cure)
    elif "rdb" in kinds:
        yield ok("persistence", "snapshots: a crash takes back the last minutes (appendonly yes: the last second)")
    elif kinds:
        yield ok("persistence", "append-only file: a crash takes back a second at most")
    else:
        yield unknown("persistence", "not known: Redis does not tell")
