"""System checks of all rooms. They read settings only: no check talks to Redis.

redis_patterns.E001  ``REDIS_PATTERNS`` cannot be used
redis_patterns.W001  a cache shares its database with data that ``cache.clear()`` would wipe
redis_patterns.W002  an error report would show the password of an URL in the settings
redis_patterns.E101  our session middleware over a foreign session engine
redis_patterns.W101  our session engine under Django's own middleware
redis_patterns.W102  sessions are read with something other than JSON
redis_patterns.E201  a cache of ours with options that cannot be used
redis_patterns.E301  a rate limit that cannot be used
redis_patterns.E302  rate limits by user, and nothing that says who the user is
redis_patterns.E303  a backend that checks passwords before the one that limits guesses
redis_patterns.W301  rate limits by address behind a proxy that is not trusted: everybody is one client
redis_patterns.W302  rate limits with a match, and no middleware that applies them
redis_patterns.W303  our rate limit middleware after one that refuses requests: those are not counted
redis_patterns.W304  two backends that limit logins: each attempt counts twice
redis_patterns.E501  to E507, W501: what a model says about its board; its manager reports it (leaderboards/declared.py)
redis_patterns.E601  a handler of a stream on a connection that is not there
redis_patterns.W601  a stream without a retention: it grows for ever
redis_patterns.E801  channels_redis' core layer on redis-py 8: an idle socket dies after five seconds
redis_patterns.W801  channels_redis' core layer with redis-py's cap of 100 connections
redis_patterns.W802  channels_redis' pub/sub layer without retries: a restart of Redis is an error
redis_patterns.W803  the in-memory channel layer in production
redis_patterns.W804  daphne, which does not tell a slow client from a fast one
"""

from django.core import checks

from . import caching, ground, ratelimit, realtime, sessions, streams


def register_all() -> None:
    """Register every check once."""
    for check in (
        ground.check_configuration,
        ground.check_shared_database,
        ground.check_error_reports,
        sessions.check_session_middleware,
        sessions.check_session_serializer,
        caching.check_caches,
        ratelimit.check_rate_limits,
        ratelimit.check_rate_limit_middleware,
        ratelimit.check_limited_login,
        ratelimit.check_proxies,
        streams.check_consumers,
        streams.check_growth,
        realtime.check_channel_layers,
        realtime.check_websocket_server,
    ):
        checks.register(check, "redis_patterns")
