"""Error pages and error mails without the passwords of Redis.

    DEFAULT_EXCEPTION_REPORTER_FILTER = "django_redis_patterns.debug.ExceptionReporterFilter"

Django hides settings by their names, and so it shows ``redis://:password@host`` in each of them; what stands in
variables it shows as it is.
"""

from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.template.defaultfilters import pprint
from django.views.debug import SafeExceptionReporterFilter

from .conf import settings
from .core.connections.options import target
from .exceptions import InvalidConfiguration, without_secrets

#: Shorter passwords would be found in words that are none.
SHORTEST = 4


class ExceptionReporterFilter(SafeExceptionReporterFilter):
    """Django's own, which also masks logins in URLs, in settings and variables, and our passwords in variables."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Mask what an URL tells, at any depth."""
        cleansed = super().cleanse_setting(key, value)
        return without_secrets(cleansed) if isinstance(cleansed, str) else cleansed

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> Any:
        """Mask variables whose text has a secret in it."""
        secrets = [*_passwords()]
        shown = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, _masked(value, secrets)) for name, value in shown]


class _Masked:
    """Shown as its text, without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _masked(value: Any, secrets: list[str]) -> Any:
    text = pprint(value)
    masked = without_secrets(text)
    for secret in secrets:
        masked = masked.replace(secret, SafeExceptionReporterFilter.cleansed_substitute)
    return value if masked == text else _Masked(masked)


def _passwords() -> Iterator[str]:
    """Yield those of all connections, those in files too, as they stand in a text and in a repr."""
    with suppress(InvalidConfiguration):
        for alias in settings().connections:
            with suppress(InvalidConfiguration):
                where = target(alias)
                for options in (where.options, where.sentinel_options):
                    if len(password := str(options.get("password") or "")) >= SHORTEST:
                        yield from (password, repr(password)[1:-1], repr(password.encode())[2:-1])
