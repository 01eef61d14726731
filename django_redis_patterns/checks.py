"""System checks of all rooms. They read settings only: no check talks to Redis.

redis_patterns.E001  ``REDIS_PATTERNS`` cannot be used
redis_patterns.W001  a cache shares its database with data that ``cache.clear()`` would wipe
redis_patterns.W002  an error report would show the password of an URL in the settings
redis_patterns.E101  our session middleware over a foreign session engine
redis_patterns.W101  our session engine under Django's own middleware
redis_patterns.W102  sessions are read with something other than JSON
redis_patterns.E301  a rate limit that cannot be used
redis_patterns.E302  rate limits by user, and nothing that says who the user is
redis_patterns.E303  a backend that checks passwords before the one that limits guesses
redis_patterns.W301  rate limits by address behind a proxy that is not trusted: everybody is one client
redis_patterns.W302  rate limits with a match, and no middleware that applies them
redis_patterns.W303  our rate limit middleware after one that refuses requests: those are not counted
redis_patterns.W304  two backends that limit logins: each attempt counts twice
redis_patterns.E501  to E507, W501: what a model says about its board; its manager reports it (leaderboards/declared.py)
redis_patterns.E801  channels_redis' core layer on redis-py 8: an idle socket dies after five seconds
redis_patterns.W801  channels_redis' core layer with redis-py's cap of 100 connections
redis_patterns.W802  channels_redis' pub/sub layer without retries: a restart of Redis is an error
redis_patterns.W803  the in-memory channel layer in production
redis_patterns.W804  daphne, which does not tell a slow client from a fast one
"""

from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.utils.module_loading import import_string

from .conf import Connection, settings
from .core.connections import options
from .core.connections.caches import BACKENDS
from .exceptions import InvalidConfiguration, without_secrets

ENGINE = "django_redis_patterns.sessions"
OUR_MIDDLEWARE = "django_redis_patterns.sessions.SessionMiddleware"
DJANGO_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
JSON = "django.contrib.sessions.serializers.JSONSerializer"

LIMITS = "django_redis_patterns.ratelimit.RateLimitMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
#: Middlewares whose ``process_view`` refuses requests.
REFUSING = ("django.middleware.csrf.CsrfViewMiddleware", "django.contrib.auth.middleware.LoginRequiredMiddleware")

CORE_LAYER = "channels_redis.core.RedisChannelLayer"
PUBSUB_LAYER = "channels_redis.pubsub.RedisPubSubChannelLayer"
MEMORY_LAYER = "channels.layers.InMemoryChannelLayer"
CORE_BLOCKS = 5.0  # seconds: channels_redis' `brpop_timeout`, and redis-py 8's default socket_timeout

REPORTER_FILTER = "django_redis_patterns.debug.ExceptionReporterFilter"

Messages = list[checks.CheckMessage]


def register_all() -> None:
    """Register every check once."""
    for check in (
        check_configuration,
        check_shared_database,
        check_error_reports,
        check_session_middleware,
        check_session_serializer,
        check_rate_limits,
        check_rate_limit_middleware,
        check_limited_login,
        check_proxies,
        check_channel_layers,
        check_websocket_server,
    ):
        checks.register(check, "redis_patterns")


def check_configuration(**_: Any) -> Messages:
    """Report what the first read would raise."""
    try:
        for alias in settings().connections:
            if alias != "default" or _default_is_used():
                options.target(alias)
    except InvalidConfiguration as error:
        return [checks.Error(str(error), id="redis_patterns.E001")]
    return []


def check_shared_database(**_: Any) -> Messages:
    """Warn that ``cache.clear()`` is FLUSHDB and would take what rooms keep there."""
    try:
        return [
            checks.Warning(
                f"{room.capitalize()} share a Redis database with CACHES[{alias!r}]: its clear() would {harm}.",
                hint=f'Give {room} their own: REDIS_PATTERNS = {{"CONNECTIONS": {{"state": '
                f'"redis://localhost:6379/1"}}, "{room.upper()}": {{"CONNECTION": "state"}}}}.',
                id="redis_patterns.W001",
            )
            for room, harm in _harmed()
            for alias in _sharing(getattr(settings(), room).connection)
        ]
    except InvalidConfiguration:
        return []


def _harmed() -> list[tuple[str, str]]:
    """Return the rooms of which the settings tell that they are used, and what a flush does to them."""
    given = getattr(django_settings, "REDIS_PATTERNS", {})
    sessions = [("sessions", "log everybody out")] if django_settings.SESSION_ENGINE == ENGINE else []
    return sessions + ([("locks", "take them from their holders")] if "LOCKS" in given else [])


def _sharing(connection: str) -> list[str]:
    ours = options.target(connection).place()
    return [alias for alias in _redis_caches() if options.resolve(alias, Connection(cache=alias)).place() == ours]


def check_error_reports(**_: Any) -> Messages:
    """Warn of passwords that Django's own filter leaves in a mail to the admins."""
    if django_settings.DEBUG:
        return []
    reporter = import_string(django_settings.DEFAULT_EXCEPTION_REPORTER_FILTER)()
    given = {name: getattr(django_settings, name, None) for name in ("REDIS_PATTERNS", "CACHES", "CHANNEL_LAYERS")}
    shown = {name: str(reporter.cleanse_setting(name, value)) for name, value in given.items()}
    return [
        checks.Warning(
            f"{name} has an URL with a login in it, and error reports show it.",
            hint=f'Set DEFAULT_EXCEPTION_REPORTER_FILTER = "{REPORTER_FILTER}", or use PASSWORD or PASSWORD_FILE.',
            id="redis_patterns.W002",
        )
        for name, text in shown.items()
        if without_secrets(text) != text
    ]


def check_session_middleware(**_: Any) -> Messages:
    """Engine and middleware belong together."""
    is_ours = django_settings.SESSION_ENGINE == ENGINE
    if OUR_MIDDLEWARE in django_settings.MIDDLEWARE and not is_ours:
        hint = f'Set SESSION_ENGINE = "{ENGINE}".'
        message = f"{OUR_MIDDLEWARE} works with our session engine only."
        return [checks.Error(message, hint=hint, id="redis_patterns.E101")]
    if DJANGO_MIDDLEWARE in django_settings.MIDDLEWARE and is_ours:
        hint = f'Replace it by "{OUR_MIDDLEWARE}".'
        message = "Django's SessionMiddleware hops threads under ASGI and answers 500 when Redis is away."
        return [checks.Warning(message, hint=hint, id="redis_patterns.W101")]
    return []


def check_session_serializer(**_: Any) -> Messages:
    """Who can write to Redis must not be able to run code here."""
    if django_settings.SESSION_ENGINE != ENGINE or django_settings.SESSION_SERIALIZER == JSON:
        return []
    return [
        checks.Warning(
            f"Sessions are read with {django_settings.SESSION_SERIALIZER}.",
            hint=f'If it unpickles, whoever can write to Redis can run code: use "{JSON}".',
            id="redis_patterns.W102",
        )
    ]


def check_rate_limits(**_: Any) -> Messages:
    """Report what the first request would raise, and rules that nobody applies."""
    if not _is_usable() or not settings().ratelimit.rules:
        return []
    from .ratelimit.request_rules import every_declared

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
    from .ratelimit import installed

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
    from .ratelimit import installed

    is_behind_one = django_settings.SECURE_PROXY_SSL_HEADER or django_settings.USE_X_FORWARDED_HOST
    is_limited = LIMITS in django_settings.MIDDLEWARE or bool(installed.limited())
    if not is_behind_one or not is_limited or not _is_usable() or settings().trusted_proxies:
        return []
    message = "A proxy stands in front of this site, and rate limits take all of its visitors for one client."
    hint = 'Name its network: REDIS_PATTERNS = {"TRUSTED_PROXIES": ["10.0.0.0/8"]}.'
    return [checks.Warning(message, hint=hint, id="redis_patterns.W301")]


def check_channel_layers(**_: Any) -> Messages:
    """The channel layers of a site's own groups have traps; `channel_layer()` avoids them."""
    layers = getattr(django_settings, "CHANNEL_LAYERS", {})
    return [message for alias, layer in layers.items() for message in _layer_traps(alias, layer)]


def check_websocket_server(**_: Any) -> Messages:
    """A server must wait for a slow client, or the memory that waits for it has no bound."""
    if "daphne" not in django_settings.INSTALLED_APPS or django_settings.DEBUG:
        return []
    return [
        checks.Warning(
            "daphne takes every message at once, however slow the client: its memory grows, and no outbox is full.",
            hint="In production serve websockets with uvicorn or hypercorn, which wait for the client.",
            id="redis_patterns.W804",
        )
    ]


def _layer_traps(alias: str, layer: dict[str, Any]) -> Messages:
    where, backend = f"CHANNEL_LAYERS[{alias!r}]", layer.get("BACKEND")
    hosts = [host if isinstance(host, dict) else {} for host in layer.get("CONFIG", {}).get("hosts") or [{}]]
    cure = f'CHANNEL_LAYERS = {{"{alias}": channel_layer()}}, from django_redis_patterns.realtime.'
    found: Messages = []
    if backend == CORE_LAYER and any(_dies_idle(host) for host in hosts):
        message = f"{where}: on redis-py 8 an idle websocket of the core layer dies after {CORE_BLOCKS:g} seconds."
        hint = f'Give each host "socket_timeout": None, or write {cure}'
        found.append(checks.Error(message, hint=hint, id="redis_patterns.E801"))
    if backend == CORE_LAYER and any("max_connections" not in host for host in hosts):
        message = f"{where}: redis-py 8 caps the core layer at 100 connections and refuses the socket after that."
        hint = f'Give each host "max_connections": 1000, or write {cure}'
        found.append(checks.Warning(message, hint=hint, id="redis_patterns.W801"))
    if backend == PUBSUB_LAYER and any("retry" not in host for host in hosts):
        message = f"{where}: without retries a restart of Redis fails sends and leaves groups deaf for a second."
        found.append(checks.Warning(message, hint=f"Write {cure}", id="redis_patterns.W802"))
    if backend == MEMORY_LAYER and not django_settings.DEBUG:
        message = f"{where}: the in-memory layer reaches nobody outside its process."
        found.append(checks.Warning(message, hint=f"Write {cure}", id="redis_patterns.W803"))
    return found


def _dies_idle(host: dict[str, Any]) -> bool:
    timeout = host.get("socket_timeout", CORE_BLOCKS)
    return timeout is not None and timeout <= CORE_BLOCKS


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


def _default_is_used() -> bool:
    given = getattr(django_settings, "REDIS_PATTERNS", {}).get("CONNECTIONS", {})
    return "default" in given or settings().sessions.connection == "default"


def _redis_caches() -> list[str]:
    foreign = [name for name in BACKENDS if not name.startswith("django_redis_patterns.")]
    return [alias for alias, cache in django_settings.CACHES.items() if cache.get("BACKEND") in foreign]
