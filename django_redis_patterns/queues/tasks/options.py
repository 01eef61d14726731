"""``OPTIONS`` of a backend in ``TASKS``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django_redis_patterns.conf import settings
from django_redis_patterns.conf.values import known
from django_redis_patterns.exceptions import InvalidConfiguration
from django_redis_patterns.queues.durations import seconds


@dataclass(frozen=True, kw_only=True)
class Options:
    """``connection``: another one than that of ``REDIS_PATTERNS["QUEUES"]``. ``result_ttl``: how long a successful
    result is kept, in seconds or a timedelta, 0 for none. ``max_attempts``: how often a task may run that does not say
    it."""

    connection: str | None = None
    result_ttl: float = 24 * 3600.0
    max_attempts: int = 1


def options(alias: str, given: Mapping[str, Any]) -> Options:
    """Return the options of the backend *alias*. Raises `InvalidConfiguration` that says what to write."""
    names = [field.name for field in fields(Options)]
    for name in given:
        known(name, names, f"TASKS[{alias!r}] has no option", "options")
    where = f"OPTIONS of TASKS[{alias!r}]:"
    tries = given.get("max_attempts", 1)
    if not isinstance(tries, int) or isinstance(tries, bool) or tries < 1:
        raise InvalidConfiguration(f"{where} max_attempts is a whole number from 1 on, not {tries!r}.")
    try:
        ttl = seconds(given.get("result_ttl", Options.result_ttl), "result_ttl")
    except (TypeError, ValueError) as error:
        raise InvalidConfiguration(f"{where} {error}") from error
    found = Options(**{**given, "result_ttl": ttl})
    if found.connection is not None:
        known(found.connection, settings().connections, f"{where} there is no connection", "connections")
    return found
