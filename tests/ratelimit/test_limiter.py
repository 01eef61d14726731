"""What one limiter does, through every face and by every algorithm."""

import pytest

from django_redis_patterns.ratelimit import Limiter
from django_redis_patterns.ratelimit.rules import ALGORITHMS
from django_redis_patterns.testing.fixtures import Face

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


@every_algorithm
def test_the_limit_and_no_more(algorithm, face: Face) -> None:
    limiter = Limiter("login", "5/1d", algorithm=algorithm)
    decisions = [face(limiter.hit, "ann") for _ in range(8)]
    print(decisions)
    assert [bool(decision) for decision in decisions] == [True] * 5 + [False] * 3
    assert [decision.remaining for decision in decisions] == [4, 3, 2, 1, 0, 0, 0, 0]
    face(limiter.refund, decisions[0])
    assert face(limiter.peek, "ann").remaining == 1
