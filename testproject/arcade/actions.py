"""What players do by a press of a button, on pages that everybody may watch."""

from collections.abc import Callable
from functools import wraps
from typing import TypeAlias

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

View: TypeAlias = Callable[[HttpRequest], HttpResponse]


class Refused(Exception):
    """It cannot be done now. The message is for the player."""


def action(page: str) -> Callable[[Callable[[HttpRequest], str]], View]:
    """Turn what a player did on *page*, the name of its URL, into an answer.

    For a script that is what to say, for a plain form a message on the page.
    """

    def decorate(act: Callable[[HttpRequest], str]) -> View:
        @require_POST
        @wraps(act)
        def view(request: HttpRequest) -> HttpResponse:
            if not request.user.is_authenticated:
                return _logged_out(request, page)
            try:
                says, level, status = act(request), messages.SUCCESS, 200
            except Refused as error:
                says, level, status = str(error), messages.WARNING, 409
            if not request.accepts("text/html"):
                return JsonResponse({"says": says}, status=status)
            messages.add_message(request, level, says)
            return redirect(page)

        return view

    return decorate


def number(request: HttpRequest, field: str) -> int:
    """Return the whole number of a form's *field*, 0 for what is none."""
    text = request.POST.get(field, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _logged_out(request: HttpRequest, page: str) -> HttpResponse:
    if request.accepts("text/html"):
        return redirect_to_login(reverse(page))
    return JsonResponse({"says": "You are logged out. Log in, then try again."}, status=401)
