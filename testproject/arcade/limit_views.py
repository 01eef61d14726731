"""The rate limit machine: hit four limiters at once and watch them fill and free."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from arcade import limits


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The lanes, and what the visitor has left."""
    lanes = [(reading.lane, reading.told()["remaining"]) for reading in limits.look(request)]
    return render(request, "arcade/rate_limits.html", {"lanes": lanes, "rate": limits.RATE, "most": limits.MOST})


@require_POST
def hit(request: HttpRequest) -> HttpResponse:
    """Hit every lane once, or a few times. Answers with HTML: what came of it, and what Redis was told."""
    times = min(max(_number(request.POST.get("times", "")), 1), limits.MOST)
    return _answer(request, limits.hit(request, times))


@require_POST
def start_over(request: HttpRequest) -> HttpResponse:
    """Forget the visitor's hits."""
    limits.start_over(request)
    return _answer(request, limits.look(request))


@never_cache
@require_safe
def look(request: HttpRequest) -> JsonResponse:
    """How the lanes stand now."""
    return JsonResponse(_told(limits.look(request)))


def _answer(request: HttpRequest, readings: list[limits.Reading]) -> HttpResponse:
    return render(request, "arcade/readings.html", {"told": _told(readings)})


def _told(readings: list[limits.Reading]) -> dict[str, object]:
    return {reading.lane.algorithm: reading.told() for reading in readings}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 1
