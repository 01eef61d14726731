"""Rate limits that cannot be used, that nobody applies, or that something else comes before."""

from typing import Any

from django.conf import settings as django_settings
from django.core import checks

from django_redis_patterns.conf import settings
from django_redis_patterns.exceptions import InvalidConfiguration

LIMITS = "django_redis_patterns.ratelimit.RateLimitMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
#: Middlewares whose ``process_view`` refuses requests.
REFUSING = ("django.middleware.csrf.CsrfViewMiddleware", "django.contrib.auth.middleware.LoginRequiredMiddleware")

Messages = list[checks.CheckMessage]


def check_rate_limits(**_: Any) -> Messages:
    """Report what the first request would raise, and rules that nobody applies."""
    if not _is_usable() or not settings().ratelimit.rules:
        return []
    from django_redis_patterns.ratelimit.request_rules import every_declared

    try:
        applied = [rule for rule in every_declared().values() if rule.match]
    except InvalidConfiguration as error:
        return [checks.Error(str(error), id="redis_patterns.E301")]
    found: Messages = []
    if applied and LIMITS not in django_settings.MIDDLEWARE:
        message = f"Nobody applies the rate limits {', '.join(repr(rule.rule.name) for rule in applied)}."
        found.append(checks.Warning(message, hint=f'Add "{LIMITS}" to MIDDLEWARE.', id="redis_patterns.W302"))
    if (settings().ratelimit.exempt_users or any(map(_is_by_user, applied))) and AUTH not in django_settings.MIDDLEWARE:
        message = "Rate limits count by user, or exempt users, and nothing says who the user is."
        found.append(checks.Error(message, hint=f'Add "{AUTH}" to MIDDLEWARE.', id="redis_patterns.E302"))
    return found


def check_rate_limit_middleware(**_: Any) -> Messages:
    """What another middleware refuses first is not counted."""
    installed = list(django_settings.MIDDLEWARE)
    if LIMITS not in installed:
        return []
    before = [name for name in REFUSING if name in installed[: installed.index(LIMITS)]]
    return [
        checks.Warning(
            f"Requests that {name} refuses are not counted.",
            hint=f'Put "{LIMITS}" before it.',
            id="redis_patterns.W303",
        )
        for name in before
    ]


def check_limited_login(**_: Any) -> Messages:
    """Guesses at a password must not find another way to it, nor be counted twice."""
    from django_redis_patterns.ratelimit import installed

    limited = installed.limited()
    found: Messages = []
    for backend in installed.before(limited[0])[:1] if limited else ():
        message = f"{backend} looks at passwords before {limited[0]} has counted."
        hint = "Put the limited one first; RateLimitedModelBackend does all that Django's ModelBackend does."
        found.append(checks.Error(message, hint=hint, id="redis_patterns.E303"))
    if len(limited) > 1:
        message = f"{' and '.join(limited)} count each attempt to log in once more."
        hint = "Limit the first backend alone: what it refuses reaches no other one."
        found.append(checks.Warning(message, hint=hint, id="redis_patterns.W304"))
    return found


def check_proxies(**_: Any) -> Messages:
    """Behind a proxy the peer's address is everybody's."""
    from django_redis_patterns.ratelimit import installed

    is_behind_one = django_settings.SECURE_PROXY_SSL_HEADER or django_settings.USE_X_FORWARDED_HOST
    is_limited = LIMITS in django_settings.MIDDLEWARE or bool(installed.limited())
    if not is_behind_one or not is_limited or not _is_usable() or settings().trusted_proxies:
        return []
    message = "A proxy stands in front of this site, and rate limits take all of its visitors for one client."
    hint = 'Name its network: REDIS_PATTERNS = {"TRUSTED_PROXIES": ["10.0.0.0/8"]}.'
    return [checks.Warning(message, hint=hint, id="redis_patterns.W301")]


def _is_by_user(rule: Any) -> bool:
    parts = (rule.key,) if isinstance(rule.key, str) else rule.key if isinstance(rule.key, tuple) else ()
    return "user" in parts or "user_or_ip" in parts


def _is_usable() -> bool:
    """Return whether the settings can be read at all; `check_configuration` says why not."""
    try:
        settings()
    except InvalidConfiguration:
        return False
    return True
