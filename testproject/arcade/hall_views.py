"""The hall of fame: the page, its parts alone for pages that follow it live, and a bot that breaks the record."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from arcade.actions import action
from arcade.hall import STALE, TTL, Hall, break_record, visit
from arcade.stairs import stairs


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The hall, and how it came to this visitor."""
    return render(request, "arcade/hall_of_fame.html", _now(request) | {"live": True})


@never_cache
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """The hall as it is now, and what Redis was told for it."""
    return render(request, "arcade/hall_rows.html", _now(request))


@action("hall-of-fame")
def beat(request: HttpRequest) -> str:
    """Send a bot after the record."""
    play = break_record()
    return f"{play.player.get_username()} broke the record with {play.points:,} points."


def _now(request: HttpRequest) -> dict[str, Any]:
    found = visit(request.told)  # type: ignore[attr-defined]
    return {"visit": found, "hall": found.hall, "stairs": _stairs(found.hall), "ttl": TTL, "stale": STALE}


def _stairs(hall: Hall) -> Any:
    return stairs([(record.at, record.points) for record in hall.records[::-1]], hall.made_at)
