"""The pages: home, sign up, and your devices."""

from typing import cast

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from arcade.rooms import ROOMS
from django_redis_patterns import sessions


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What the arcade is, and its rooms."""
    return render(request, "arcade/home.html", {"rooms": ROOMS})


class LogIn(LoginView):
    """Ask who is there; somebody known goes straight on."""

    redirect_authenticated_user = True


@sensitive_post_parameters("password1", "password2")
@never_cache
def sign_up(request: HttpRequest) -> HttpResponse:
    """Make a player and log them in."""
    if request.user.is_authenticated:
        return redirect("devices")
    form: UserCreationForm[User] = UserCreationForm(request.POST or None)
    if form.is_valid():
        login(request, form.save())
        messages.success(request, f"Welcome, {request.user.get_username()}. Player one, ready.")
        return redirect("devices")
    return render(request, "registration/sign_up.html", {"form": form})


@login_required
@never_cache
@require_safe
def devices(request: HttpRequest) -> HttpResponse:
    """Every browser where the player is logged in."""
    found = sessions.for_user(_player(request), current=request.session)
    others = sum(not device.current for device in found)
    return render(request, "arcade/devices.html", {"devices": found, "others": others})


@login_required
@require_POST
def log_out_device(request: HttpRequest) -> HttpResponse:
    """End one session of the player."""
    if sessions.logout(_player(request), request.POST.get("device", "")):
        messages.success(request, "That device is logged out.")
    else:
        messages.info(request, "That device was logged out already.")
    return redirect("devices")


@login_required
@require_POST
def log_out_others(request: HttpRequest) -> HttpResponse:
    """End every session of the player but this one."""
    ended = sessions.logout_everywhere(_player(request), keep=request.session)
    devices = "1 other device" if ended == 1 else f"{ended} other devices"
    messages.success(request, f"{devices} logged out. Only this one is left.")
    return redirect("devices")


def _player(request: HttpRequest) -> User:
    return cast(User, request.user)  # @login_required let nobody else in
