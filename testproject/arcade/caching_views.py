"""The caching room: a herd that is held back, and how often what happened. Everybody may watch, players may send."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from arcade.actions import Refused, action
from arcade.fleet import SIZE
from arcade.front_page import MAKE, PAGES, STALE, TTL
from arcade.hall import hall_of_fame
from arcade.herd import herd
from arcade.lanes import picture
from arcade.scenarios import SCENARIOS, VISITORS
from django_redis_patterns.caching import Stats
from django_redis_patterns.core.operations import batch

TITLES = {"strict": "the page", "lenient": f"with stale={STALE:g}"}


@dataclass(frozen=True)
class Count:
    """What happened to the calls of one cached function."""

    name: str
    stats: Stats

    @property
    def misses(self) -> int:
        """How often there was nothing to serve yet."""
        return self.stats.calls + self.stats.waits

    @property
    def shares(self) -> list[tuple[str, int]]:
        """What those who asked got, by kind; old pages are hits, too."""
        one = self.stats
        hits = [("near", one.near), ("hits", one.hits - one.stale), ("stale", one.stale)]
        return [*hits, ("waits", one.waits), ("calls", one.calls)]


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The herd, what can be tried with it, and the counts."""
    fixed = {"visitors": VISITORS, "processes": SIZE, "make": MAKE, "page_ttl": TTL, "stale": STALE}
    return render(request, "arcade/caching.html", _now() | fixed | {"live": True, "scenarios": SCENARIOS})


@never_cache
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """What changes on the page, as it is now, and what Redis was told for it."""
    return render(request, "arcade/caching_rows.html", _now())


@action("caching")
def send(request: HttpRequest) -> str:
    """Send a herd."""
    scenario = SCENARIOS.get(request.POST.get("scenario", ""))
    if scenario is None:
        raise Refused("There is no such way to come.")
    herd.send(scenario.name, is_lenient="stale" in request.POST, by=request.user.get_username())
    return f"{VISITORS} visitors are on their way. {scenario.promise}"


def _now() -> dict[str, Any]:
    return {"run": herd.run, "picture": picture(herd.run), "counts": _counts()}


def _counts() -> list[Count]:
    """Return what happened to the calls of every cached function of the site, in one trip."""
    with batch() as together:
        hall = together(hall_of_fame.stats)
        pages = {name: together(page.stats) for name, page in PAGES.items()}
    counted = [Count(TITLES[name], herd.counted(name, stats.value)) for name, stats in pages.items()]
    return [*counted, Count("hall of fame", hall.value)]
