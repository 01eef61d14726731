"""Who logs out loses their websockets, on every server: the end of a session is published to all of them.

A message names the session (as a hash) and its user. The sockets of that session close; the user's other sockets
look whether their own session still lives, because a session that got a new id is known to them by the old one.
"""

import json
import logging
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest

from django_redis_patterns.conf import settings
from django_redis_patterns.core.commit import after_commit
from django_redis_patterns.core.keys import digest, key
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import InvalidConfiguration, RedisPatternsError
from django_redis_patterns.signals import session_ended

from .database import database_parts

OUR_ENGINE = "django_redis_patterns.sessions"

logger = logging.getLogger("django_redis_patterns.realtime")


def channel() -> str:
    """Return the channel that carries the ends of sessions; no topic's name can spell it."""
    return key("realtime", "control", "sessions", *database_parts(settings().realtime.connection))


def id_of(user: Any) -> str:
    """Return the text that names a user on the wire."""
    return str(user._meta.pk.value_to_string(user))


async def _sign_out(io: IO, user_id: str, digest: str | None = None) -> None:
    """Tell every server that a session ended: *digest* is the hash of its key, None when it is not known. One trip."""
    message = json.dumps({"user": user_id, "session": digest})
    await io.on(settings().realtime.connection).redis.publish(channel(), message)


sign_out, asign_out = both(_sign_out)


def read(payload: bytes) -> tuple[str, str | None]:
    """Return user and session of a published message; ("", None) for one that cannot be read."""
    try:
        message = json.loads(payload)
        return str(message["user"]), message["session"]
    except (ValueError, TypeError, KeyError):
        return "", None


def connect() -> None:
    """Follow the signals. Called once, by the app."""
    session_ended.connect(_session_ended, dispatch_uid="django_redis_patterns.realtime")
    user_logged_out.connect(_user_logged_out, dispatch_uid="django_redis_patterns.realtime")


def _session_ended(*, user_id: str, digest: str, **_: Any) -> None:
    """Publish at once: the session has ended already, even if a transaction around it is rolled back."""
    try:
        sign_out(user_id, digest)
    except InvalidConfiguration:
        pass  # a site without a Redis for realtime has no sockets
    except RedisPatternsError as error:
        logger.warning("A session ended, and its sockets stay open until they look again: %s", error)


def _user_logged_out(*, request: HttpRequest | None, user: AbstractBaseUser | None, **_: Any) -> None:
    """Follow engines that send no `session_ended`. Django says so before it deletes the session, not after."""
    if user is None or django_settings.SESSION_ENGINE == OUR_ENGINE:
        return
    session_key = request.session.session_key if request is not None else None
    after_commit(sign_out, id_of(user), digest(session_key) if session_key else None)
