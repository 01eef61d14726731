"""What is hot: decay without a recount, on the clock of Redis. Tests move the clock's start, not the clock."""

import math
import time
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User

from django_redis_patterns.core import trace
from django_redis_patterns.core.keys import key
from django_redis_patterns.exceptions import InexactScore
from django_redis_patterns.leaderboards import Trending
from django_redis_patterns.leaderboards.trending import FLOOR
from django_redis_patterns.testing.fixtures import Face

BOARD, CLOCK = key("trending", "articles"), key("trending", "articles", "clock")
HOUR = 3_600_000


@pytest.fixture
def articles() -> Trending:
    return Trending("articles", half_life="1h")


def let_pass(client: redis.Redis, half_lives: float) -> None:
    """Put the start of the clock back, as if everything so far had happened earlier."""
    start, half_life = map(float, client.hmget(CLOCK, "start", "half_life"))
    client.hset(CLOCK, "start", f"{start - half_lives * half_life:.3f}")


def near(value: float) -> Any:
    """A whole run of these tests takes less than a thousandth of the hour that weights are halved in."""
    return pytest.approx(value, rel=5e-3)


def test_a_hit_is_worth_half_after_a_half_life(face: Face, articles: Trending, bare_redis: redis.Redis) -> None:
    """Old hits fade, new ones add up; the score is as of now, also in the answer to a hit."""
    assert face(articles.hit, "old", 4) == 4
    let_pass(bare_redis, 1)
    assert face(articles.score, "old") == near(2)
    assert face(articles.hit, "new", 5) == near(5)
    assert face(articles.hit, "old") == near(3)
    let_pass(bare_redis, 2)
    assert face(articles.top) == [(1, near(1.25), "new"), (2, near(0.75), "old")]
    assert face(articles.rank, "old") == 2
    assert face(articles.rank, "nobody") is face(articles.score, "nobody") is None


def test_the_order_is_that_of_decayed_scores(articles: Trending, bare_redis: redis.Redis) -> None:
    """One that was hit a hundred times a while ago falls behind one that is hit now."""
    articles.hit("old", 100)
    let_pass(bare_redis, 7)
    articles.hit("new")
    assert [entry.obj for entry in articles.top()] == ["new", "old"]
    assert articles.rank("new") == 1
    assert articles.score("old") == near(100 / 128)
    assert [entry.obj for entry in articles.top(1)] == ["new"]
    assert articles.top(0) == []


def test_real_time_passes(bare_redis: redis.Redis) -> None:
    """By the clock of Redis, with nothing faked."""
    board = Trending("articles", half_life=0.2)
    board.hit("ann")
    time.sleep(0.2)
    seen = board.score("ann")
    assert seen is not None
    assert 0 < seen <= 0.5


def test_readers_need_not_say_the_half_life(face: Face, articles: Trending) -> None:
    """Redis remembers it, for further hits too."""
    articles.hit("ann", 2)
    reader = Trending("articles")
    assert face(reader.score, "ann") == near(2)
    assert face(reader.hit, "ann") == near(3)
    assert face(reader.top)[0].obj == "ann"


def test_the_first_hit_needs_a_half_life(face: Face) -> None:
    """The message says what to write; reading an unknown board is reading an empty one."""
    with pytest.raises(ValueError, match=r'write Trending\(\'articles\', half_life="6h"\)'):
        face(Trending("articles").hit, "ann")
    assert face(Trending("articles").top) == []


def test_every_call_is_one_trip(face: Face, articles: Trending, bare_redis: redis.Redis) -> None:
    """A rebase too."""
    calls = [(articles.hit, "ann"), (articles.top, 10), (articles.score, "ann"), (articles.rank, "ann")]
    for operation, argument in calls:
        face(operation, argument)
    let_pass(bare_redis, 600)
    for operation, argument in [*calls, (articles.remove, "ann")]:
        with trace.record() as log:
            face(operation, argument)
        assert (log.trips, len(log.commands)) == (1, 1), operation


def test_it_never_overflows(articles: Trending, bare_redis: redis.Redis) -> None:
    """Over thousands of half lives weights are rebased in time: order and scores stay, numbers stay finite."""
    for round in range(60):
        articles.hit("steady", 2**50)
        articles.hit(f"once {round}", 2**49)
        let_pass(bare_redis, 60)
        assert max(score for _, score in bare_redis.zrange(BOARD, 0, -1, withscores=True)) < 1e250
    articles.hit("steady", 2**50)
    assert articles.score("steady") == near(2**50)
    assert articles.rank("steady") == 1


def test_a_rebase_keeps_order_and_scores(articles: Trending, bare_redis: redis.Redis) -> None:
    """Everything but the unit of the stored numbers is as before."""
    for place in range(20):
        articles.hit(place, 2.0**place)
    let_pass(bare_redis, 499)
    articles.hit("now", 1)
    before = bare_redis.zscore(BOARD, "now")
    articles.hit(19, 2.0**22)
    let_pass(bare_redis, 2)
    order = [entry.obj for entry in articles.top()]
    score = articles.score("now")
    articles.hit("unrelated", 2**-10)
    after = bare_redis.zscore(BOARD, "now")
    assert before
    assert after
    assert before > 2**490 > 1 > after == near(0.25)
    assert [entry.obj for entry in articles.top(len(order))] == order
    assert articles.score("now") == near(score)


def test_another_half_life_counts_from_its_first_hit(articles: Trending, bare_redis: redis.Redis) -> None:
    """What was until then has decayed by the old one; readers with another one change nothing."""
    articles.hit("ann", 16)
    let_pass(bare_redis, 2)
    slower = Trending("articles", half_life="2h")
    assert slower.score("ann") == near(4)
    assert slower.hit("ann", 4) == near(8)
    assert articles.score("ann") == near(8)
    let_pass(bare_redis, 1)
    assert bare_redis.hget(CLOCK, "half_life") == str(2 * HOUR)
    assert articles.score("ann") == near(4)


def test_what_has_cooled_down_is_dropped_by_the_next_hit(articles: Trending, bare_redis: redis.Redis) -> None:
    """So memory is bounded by what was hit in some 32 half lives."""
    for place in range(100):
        articles.hit(f"old {place}")
    articles.hit("big", 1024)
    let_pass(bare_redis, math.log2(1 / FLOOR) + 1)
    articles.hit("new")
    assert bare_redis.zrange(BOARD, 0, -1) == ["big", "new"]


def test_a_negative_weight_takes_back(face: Face, articles: Trending) -> None:
    """Down to nothing, which is no place on the board."""
    face(articles.hit, "ann", 3)
    assert face(articles.hit, "ann", -1) == near(2)
    face(articles.hit, "ann", -2.5)
    assert face(articles.rank, "ann") is None
    assert face(articles.top) == []


def test_a_board_nobody_hits_goes(articles: Trending, bare_redis: redis.Redis) -> None:
    """After 64 half lives, with its clock."""
    articles.hit("ann")
    assert bare_redis.pttl(BOARD) == pytest.approx(64 * HOUR, abs=5000)
    assert bare_redis.pttl(CLOCK) == pytest.approx(64 * HOUR, abs=5000)


def test_a_clock_without_a_board_goes_on(articles: Trending, bare_redis: redis.Redis) -> None:
    """It is the unit of later hits."""
    articles.hit("ann")
    articles.remove("ann")
    let_pass(bare_redis, 3)
    assert articles.hit("ann") == near(1)


def test_a_board_without_its_clock_starts_again(articles: Trending, bare_redis: redis.Redis) -> None:
    """As an eviction may leave it: nobody knows the unit of its numbers any more."""
    articles.hit("ann")
    let_pass(bare_redis, 400)
    articles.hit("ann")
    bare_redis.delete(CLOCK)
    assert articles.top() == []
    assert articles.score("ann") is None
    assert articles.hit("ben") == 1
    assert articles.rank("ann") is None


def test_remove(face: Face, articles: Trending) -> None:
    """Says whether there was something."""
    articles.hit("ann")
    assert face(articles.remove, "ann") is True
    assert face(articles.remove, "ann") is False
    assert face(articles.rank, "ann") is None


@pytest.mark.parametrize(
    ("half_life", "ms"),
    [
        ("6h", 6 * HOUR),
        ("30m", HOUR / 2),
        ("2d", 48 * HOUR),
        ("1w", 168 * HOUR),
        ("90s", 90_000),
        (90, 90_000),
        (0.029, 29),
        (timedelta(minutes=1.5), 90_000),
    ],
)
def test_half_lives(half_life: Any, ms: float) -> None:
    """As text, seconds or timedelta."""
    assert Trending("articles", half_life=half_life).half_life_ms == ms


@pytest.mark.parametrize(
    "half_life",
    [
        *["", "h", "6", "6 h", "6H", "06h", "0h", "1.5h", "-6h", "6h ", "6h\n", "٦h", "1y", "6months", "99999999999h"],
        *[0, -1, 0.0001, float("nan"), float("inf"), True, timedelta(0), [6], 1e12],
    ],
)
def test_what_is_no_half_life_is_refused(half_life: Any) -> None:
    """When it is written, saying what it may be."""
    with pytest.raises(ValueError, match='half_life is "30m"'):
        Trending("articles", half_life=half_life)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 2**54, True])
def test_a_weight_is_a_number(face: Face, articles: Trending, weight: Any) -> None:
    """Of those that scores may be."""
    with pytest.raises(InexactScore):
        face(articles.hit, "ann", weight)


@pytest.mark.django_db(transaction=True)
def test_rows_come_back_and_ghosts_go(face: Face, articles: Trending) -> None:
    """As on a leaderboard."""
    users = User.objects.bulk_create(User(username=f"user{n}") for n in range(4))
    for weight, user in enumerate(users, 1):
        articles.hit(user, weight)
    users[3].delete()
    assert [(e.rank, e.obj) for e in face(articles.top, 2)] == [(1, users[2]), (2, users[1])]
    assert [(e.rank, e.obj) for e in face(articles.top)] == [(1, users[2]), (2, users[1]), (3, users[0])]


def test_more_than_any_number_are_all(articles: Trending) -> None:
    """A count may come from an address that anybody can write."""
    articles.hit("a")
    assert [entry.obj for entry in articles.top(10**19)] == ["a"]
