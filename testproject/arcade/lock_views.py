"""The locks: a turnstile to queue at, and a season that is closed once. Everybody may watch, players may act."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from arcade import seasons
from arcade.actions import Refused, action, number
from arcade.desk import BOTS, desk
from arcade.gate import HOLD, TTL, put_out
from arcade.models import Season
from arcade.seats import turnstile
from django_redis_patterns.locks import LockLost, LockTimeout

LATEST = 4  # closed seasons on the page


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The turnstile and the season, and what can be done to them."""
    return render(request, "arcade/locks.html", _now() | {"live": True, "hold": HOLD, "bots": BOTS})


@never_cache
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """What changes on the page, as it is now, and what Redis was told for it."""
    return render(request, "arcade/lock_rows.html", _now())


@action("locks")
def queue(request: HttpRequest) -> str:
    """Send the player to the turnstile."""
    name = request.user.get_username()
    desk.admit(name)
    return f"{name} is in the queue."


@action("locks")
def queue_bots(request: HttpRequest) -> str:
    """Send some bots."""
    sent = desk.admit_bots()
    return f"{sent} bot{'' if sent == 1 else 's'} sent to the turnstile."


@action("locks")
def kill(request: HttpRequest) -> str:
    """Let the holder vanish without a word to Redis."""
    if name := desk.kill(number(request, "fence")):
        return (
            f"{name} vanished with the lock. Nobody renews it: {TTL:g} s after it was last renewed, the next one is in."
        )
    raise Refused("That holder has left already, or is in another process of this site.")


@action("locks")
def release(request: HttpRequest) -> str:
    """Put the holder out."""
    if put_out(number(request, "fence")):
        return "Released by force: the holder is out, and is told."
    raise Refused("That holder has left already.")


@action("locks")
def close_season(request: HttpRequest) -> str:
    """Close the season, unless somebody does so now or did so before."""
    asked = number(request, "season")
    try:
        season = seasons.close(asked, request.user.get_username())
    except LockTimeout as busy:
        raise Refused(f"Season {asked} is being closed right now, by {busy.holder}. One is enough.") from None
    except LockLost:
        raise Refused("The lock was lost before the end, so nothing was written. Try again.") from None
    return f"You closed season {asked}. The champion: {season.champions[0]['name']}."


def _now() -> dict[str, Any]:
    season = seasons.current()
    closed = Season.objects.exclude(closed_at=None).order_by("-number")[:LATEST]
    return {
        "turnstile": turnstile(),
        "ttl": TTL,
        "season": season,
        "standings": seasons.standings(season),
        "closed": closed,
    }
