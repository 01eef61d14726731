"""``manage.py redis locks``: who holds what, and since when."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_redis_patterns.conf import settings
from django_redis_patterns.locks.place import Place
from django_redis_patterns.locks.state import State, all_states, states
from django_redis_patterns.locks.turnstile import evict

HELP = "List locks and semaphores that are held or waited for, and release one by force."


def add_arguments(parser: CommandParser) -> None:
    """Declare the options."""
    parser.add_argument("--release", metavar="NAME", help="Put its holders out; they are told, the next one comes in.")
    parser.add_argument("--semaphore", action="store_true", help="NAME is a semaphore's.")
    parser.add_argument("--connection", metavar="ALIAS", help="Another one than the LOCKS of REDIS_PATTERNS are on.")
    parser.add_argument("--json", action="store_true")


def handle(command: BaseCommand, *, release: str | None, connection: str | None, **options: Any) -> int:
    """List, or release; returns the exit code."""
    alias = connection or settings().locks.connection
    if release is not None:
        _release(command, Place(release, alias, "semaphores" if options["semaphore"] else "locks"))
        return 0
    found = sorted(all_states(alias), key=lambda state: (state.kind, state.name))
    if options["json"]:
        command.stdout.write(json.dumps([_document(state) for state in found]))
        return 0
    for line in (line for state in found for line in _lines(state)):
        command.stdout.write(line)
    if not found:
        command.stdout.write("Nothing is held, and nobody waits.")
    return 0


def _release(command: BaseCommand, place: Place) -> None:
    (state,) = states(place.connection, [place.keys])
    if not evict(place):
        raise CommandError(f"Nobody holds {place.name!r}. Held: manage.py redis locks. A semaphore needs --semaphore.")
    who = ", ".join(map(str, state.holders)) or "a holder"
    command.stdout.write(f"{place.name}: released, was held by {who}")


def _lines(state: State) -> Iterator[str]:
    kind = "" if state.kind == "locks" else "  (semaphore)"
    yield f"{state.name}{kind}"
    for holder in state.holders:
        yield f"    held by {holder.owner} since {_clock(holder.since)}, fence {holder.fence}"
    for place, waiter in enumerate(state.waiters, 1):
        yield f"    {place}. waits: {waiter.owner} since {_clock(waiter.since)}"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _document(state: State) -> dict[str, Any]:
    holders = [{"owner": one.owner, "since": one.since.isoformat(), "fence": one.fence} for one in state.holders]
    waiters = [{"owner": one.owner, "since": one.since.isoformat()} for one in state.waiters]
    return {"name": state.name, "kind": state.kind, "fence": state.fence, "holders": holders, "waiters": waiters}
