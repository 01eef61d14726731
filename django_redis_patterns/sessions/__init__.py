"""Sessions: a hash per session, written field by field, listed per user.

    SESSION_ENGINE = "django_redis_patterns.sessions"
    MIDDLEWARE = [..., "django_redis_patterns.sessions.SessionMiddleware"]

Load: HGETALL. Save: one script (HSET and HDEL of what changed, PEXPIRE), refused when the session was ended. Login:
RENAMENX to the new id. A user's sessions: ZRANGE, then HMGET of each in one pipeline.
Promises: no lost update between keys; an ended session never lives again; with Redis away a 503 and the cookie kept.
"""

from .index import (
    SessionInfo,
    afor_user,
    alogout,
    alogout_everywhere,
    for_user,
    logout,
    logout_everywhere,
)
from .middleware import SessionMiddleware
from .store import SessionStore

__all__ = [
    "SessionInfo",
    "SessionMiddleware",
    "SessionStore",
    "afor_user",
    "alogout",
    "alogout_everywhere",
    "for_user",
    "logout",
    "logout_everywhere",
]
