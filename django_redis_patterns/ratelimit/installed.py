"""Which backends of ``AUTHENTICATION_BACKENDS`` look at passwords, and which of them count attempts."""

from contextlib import suppress
from inspect import signature
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string


def backends() -> dict[str, Any]:
    """Return those that can be imported, by their paths; Django says what it thinks of the others."""
    found: dict[str, Any] = {}
    for path in settings.AUTHENTICATION_BACKENDS if apps.is_installed("django.contrib.auth") else ():
        with suppress(ImportError):
            found[path] = import_string(path)
    return found


def limited() -> list[str]:
    """Return the paths of those that count attempts, in their order."""
    found = backends()
    if not found:
        return []
    from .backends import LoginRateLimit

    return [path for path, cls in found.items() if isinstance(cls, type) and issubclass(cls, LoginRateLimit)]


def before(limited: str) -> list[str]:
    """Return the paths of those that take passwords and are asked before *limited*."""
    found = backends()
    return [path for path in list(found)[: list(found).index(limited)] if _takes_passwords(found[path])]


def _takes_passwords(cls: Any) -> bool:
    parameters = signature(getattr(cls, "authenticate", object)).parameters.values()
    return any(one.name == "password" or one.kind is one.VAR_KEYWORD for one in parameters)
