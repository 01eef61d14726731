from collections.abc import Iterator

import pytest
import redis

from django_redis_patterns.ratelimit import Limiter, outage
from django_redis_patterns.ratelimit.denials import denials

from .site import Visitor


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Each test meets a process that has seen no denial and no outage."""
    denials.begin()
    outage._away.clear()
    outage._told.clear()
    yield
    denials.begin()


@pytest.fixture
def known_scripts(clean_redis: None, bare_redis: redis.Redis) -> None:
    """Have the server know the scripts, so that trips and commands are those of an ordinary day."""
    limiter = Limiter("known", "1/d")
    limiter.refund(limiter.hit("somebody"))
    bare_redis.flushall()


@pytest.fixture(params=["wsgi", "asgi"])
def visit(request: pytest.FixtureRequest, known_scripts: None) -> Visitor:
    """Visit the site under WSGI and under ASGI."""
    return Visitor(request.param)
