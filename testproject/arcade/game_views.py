"""Quick draw: the page, the coin, and the score."""

import json
import time
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from arcade import game
from arcade.boards import ranks, today
from arcade.models import Play

STARTED = "quick-draw"  # the session's field for the game that runs
LONGEST_ANSWER = 1000  # bytes


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The machine, today's board beside it, and the chat."""
    context = {"game": game, "boards": [today(request.user)], "live": True}
    return render(request, "arcade/quick_draw.html", context)


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Deal a game to a player; one at a time, the session keeps it."""
    if not request.user.is_authenticated:
        return _refused(request, "You are logged out. Log in, then the board will know you.", 401)
    dealt = game.deal(time.time())
    request.session[STARTED] = asdict(dealt)
    return JsonResponse({"id": dealt.id, "waits": dealt.waits})


@require_POST
def finish(request: HttpRequest) -> HttpResponse:
    """Store a score that is possible. Answers with HTML: the result, and what Redis was told."""
    if not request.user.is_authenticated:
        return _refused(request, "You are logged out, so nobody knows whose score this is.", 401)
    try:
        play, times = _play(request)
    except game.Implausible as error:
        return _refused(request, str(error), 422)
    context = {"play": play, "times": times, "ranks": ranks(request.user)}
    return render(request, "arcade/result.html", context)


def _play(request: HttpRequest) -> tuple[Play, list[int | None]]:
    answer = _answer(request)
    start = _running(request, answer.get("id"))
    times = game.judge(start, answer.get("times"), time.time())
    try:
        # Two answers at once both find the game in the session; the database lets one pass.
        play = Play.objects.create(player=request.user, points=game.score(times), start=start.id)
    except IntegrityError:
        raise game.Implausible("That game was counted already.") from None
    return play, times


def _running(request: HttpRequest, id: Any) -> game.Start:
    """Take the game *id* out of the session: whatever comes of the answer, there is no second one."""
    dealt = request.session.get(STARTED)
    if not dealt or dealt["id"] != id:
        raise game.Implausible("That game is not running here: it was counted already, or you started another.")
    del request.session[STARTED]
    return game.Start(**dealt)


def _answer(request: HttpRequest) -> dict[str, Any]:
    try:
        answer = json.loads(request.body[:LONGEST_ANSWER])
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise game.Implausible("That is not how a game ends.")
    return answer


def _refused(request: HttpRequest, reason: str, status: int) -> HttpResponse:
    context = {"reason": reason, "login": status == 401, "login_url": settings.LOGIN_URL}
    return render(request, "arcade/refused.html", context, status=status)
