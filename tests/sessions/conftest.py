from collections.abc import Callable

import pytest
import redis
from django.contrib.auth.models import User

from django_redis_patterns.sessions import SessionStore, for_user

Login = Callable[..., SessionStore]


@pytest.fixture
def user() -> User:
    """A user who need not be in a database: the library asks for the primary key only."""
    return User(pk=7, username="ada")


@pytest.fixture(autouse=True)
def known_scripts(clean_redis: None, bare_redis: redis.Redis) -> None:
    """Have the server know the scripts, so that trips and commands are those of an ordinary day."""
    session = login()
    session.cycle_key()
    for_user(User(pk=1))
    bare_redis.flushall()


def login(user_id: int = 1, **data: object) -> SessionStore:
    """Log in as `django.contrib.auth` does, and give the session back."""
    session = SessionStore()
    session.device = ("192.0.2.1", "Firefox 128 on Linux")
    session.cycle_key()
    session.update({"_auth_user_id": str(user_id), "_auth_user_backend": "django.contrib.auth.backends.ModelBackend"})
    session.update({"_auth_user_hash": "0123456789abcdef" * 4, **data})
    session.save()
    return session
