"""The streams room: a log, those who read it, and what happens when they die. Everybody may watch, players may act."""

import inspect
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from arcade import bots, events
from arcade.actions import Refused, action, number
from arcade.crew import BUGGY, MENDED, crew
from arcade.events import plays
from arcade.incidents import Incident, fates, in_hand
from arcade.machines import Machine
from arcade.models import Activity, Career
from arcade.processes import Process, processes
from arcade.readers import Reader
from arcade.reading import leased, newest, readers
from arcade.tape import track
from django_redis_patterns.conf import settings

BURST, LATEST = 100, 7
NUMBERS = {"1": 1, "burst": BURST}


@dataclass(frozen=True)
class Room:
    """A machine, and the processes in it."""

    machine: Machine
    processes: list[Process]


@dataclass(frozen=True)
class Report:
    """What became of what was in hand when something was killed."""

    incident: Incident
    done: int
    dead: int
    open: dict[str, int]

    @property
    def total(self) -> int:
        """How many events were in hand."""
        return len(self.incident.work)


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The log, and what can be done to it."""
    code = inspect.getsource(events.award), inspect.getsource(events.tell)
    fixed = {"live": True, "burst": BURST, "lease": settings().streams.lease, "code": code}
    return render(request, "arcade/streams.html", _now() | fixed)


@never_cache
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """What changes on the page, as it is now, and what Redis was told for it."""
    return render(request, "arcade/streams_rows.html", _now())


@action("streams")
def play(request: HttpRequest) -> str:
    """Let bots play."""
    count = NUMBERS.get(request.POST.get("games", ""))
    if count is None:
        raise Refused("There is no such number of games.")
    bots.play(count)
    return "1 game is played." if count == 1 else f"{count} games are played, and in the log by one trip to Redis."


@action("streams")
def break_off(request: HttpRequest) -> str:
    """Append an event that release 1 fails at."""
    name = bots.break_off()
    return f"{name} broke a game off, without a hit, and has played two more."


@action("streams")
def kill(request: HttpRequest) -> str:
    """Kill one process."""
    incident = crew.kill(number(request, "pid"), lambda is_meant: in_hand(readers(), is_meant))
    return f"{incident.what} was killed with {_events(incident)} in hand."


@action("streams")
def pull_the_plug(request: HttpRequest) -> str:
    """Kill a whole machine, its supervisor included."""
    incident = crew.pull_the_plug(number(request, "machine"), lambda is_meant: in_hand(readers(), is_meant))
    return f"{incident.what} is off, and had {_events(incident)} in hand. Nobody can say so: its lease has to run out."


@action("streams")
def switch_on(request: HttpRequest) -> str:
    """Switch a machine on again."""
    machine = number(request, "machine")
    crew.switch_on(machine)
    return f"Machine {machine} starts."


@action("streams")
def deploy(request: HttpRequest) -> str:
    """Deploy the release with the bug, or the one without."""
    release = number(request, "release")
    if release not in (BUGGY, MENDED):
        raise Refused("There is no such release.")
    crew.deploy(release)
    return f"Release {release} is on its way: one machine after the other finishes what it has begun, and starts anew."


@action("streams")
def redrive(request: HttpRequest) -> str:
    """Run the dead letters again."""
    count = sum(plays.dead(reader.name).redrive() for reader in readers() if reader.letters)
    if not count:
        raise Refused("There are no dead letters.")
    return f"{count} dead letter{'' if count == 1 else 's'} redriven, as new events for that group alone."


def _now() -> dict[str, Any]:
    entries, groups = newest(), readers()
    found = processes(groups, leased())
    rooms = [Room(one, [p for p in found if p.machine == one.number]) for one in list(crew.machines.values())]
    is_starting = any(room.machine.is_on and not room.processes for room in rooms)
    return {
        "entries": entries,
        "latest": entries[: -LATEST - 1 : -1],
        "tracks": [track(reader, entries, {one.name: one.look for one in found}) for reader in groups],
        "groups": groups,
        "has_letters": any(reader.letters for reader in groups),
        "rooms": rooms,
        "elsewhere": [one for one in found if not one.machine],
        "reports": [_report(incident, groups, found) for incident in list(crew.incidents)],
        "crew": crew,
        "is_moving": crew.is_deploying or is_starting or any(reader.is_busy for reader in groups),
        "feed": _feed(),
    }


def _report(incident: Incident, groups: list[Reader], found: list[Process]) -> Report:
    counts = fates(incident, groups, {one.name for one in found if one.is_alive})
    return Report(incident, counts.pop("done", 0), counts.pop("dead", 0), dict(counts))


def _feed() -> list[tuple[Activity, list[str]]]:
    latest = list(Activity.objects.order_by("-at", "-pk")[:LATEST])
    known = User.objects.filter(username__in={one.name for one in latest})
    badges = dict(Career.objects.filter(player__in=known).values_list("player__username", "badges"))
    return [(one, badges.get(one.name, [])) for one in latest]


def _events(incident: Incident) -> str:
    return f"{len(incident.work)} event{'' if len(incident.work) == 1 else 's'}"
