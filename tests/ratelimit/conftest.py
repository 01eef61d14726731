from collections.abc import Iterator

import pytest

from django_redis_patterns.ratelimit import outage
from django_redis_patterns.ratelimit.denials import denials


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Each test meets a process that has seen no denial and no outage."""
    denials.begin()
    outage._away.clear()
    yield
    denials.begin()
