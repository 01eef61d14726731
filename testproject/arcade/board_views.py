"""The leaderboards: the whole page, and its rows alone for pages that follow them live."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from arcade.boards import boards, today


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Day, week and all time, side by side."""
    return render(request, "arcade/leaderboards.html", {"boards": boards(request.user), "live": True})


@never_cache
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """The boards as they are now, and what Redis was told for it.

    ``?today`` asks for that board alone, beside the game, whose own panel stays.
    """
    beside_game = "today" in request.GET
    found = [today(request.user)] if beside_game else boards(request.user)
    return render(request, "arcade/rows.html", {"boards": found, "untold": beside_game})
