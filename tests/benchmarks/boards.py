"""Boards of 100 000 members beside bare redis-py round trips, in the same interleaved run.

    python -m tests.benchmarks.boards [members] [rounds]

Figures are median microseconds of one call by the sync face. ``x ping`` is the ratio to a bare PING, ``x bare`` to the
bare redis-py commands that answer the same where there are such, sent one after the other as one would write them.
"""

import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import django
import redis
from django.conf import settings

from django_redis_patterns.testing.servers import RedisServer

WINDOWS = ["hour", "day", "week", "all"]
TIES = ("ordinal", "competition", "dense")
Call = Callable[[str], Any]


def fill(client: redis.Redis, board: Any, members: int) -> None:
    """Put members on every window, by the shortest way; scores have ties."""
    for window in board.windows_now():
        keys = board.keys(window)
        for start in range(0, members, 10_000):
            scores = {str(n): n * 7919 % (members // 4) for n in range(start, start + 10_000)}
            client.zadd(keys.board, scores)
            if board.ties == "dense":
                client.zadd(keys.distinct, {str(score): score for score in scores.values()})


def bare_top(client: redis.Redis, key: str) -> Call:
    return lambda member: client.zrange(key, 0, 9, desc=True, withscores=True)


def bare_tied_rank(client: redis.Redis, key: str, counted: str) -> Call:
    return lambda member: client.zcount(counted, f"({client.zscore(key, member)}", "+inf")


def bare_around(client: redis.Redis, key: str) -> Call:
    def around(member: str) -> Any:
        place = client.zrevrank(key, member)
        return client.zrange(key, max(place - 5, 0), place + 5, desc=True, withscores=True)

    return around


def bare_increment(client: redis.Redis, keys: list[str]) -> Call:
    def increment(member: str) -> Any:
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.zrevrank(key, member).zincrby(key, 1, member).zrevrank(key, member)
        return pipeline.execute()

    return increment


def calls(client: redis.Redis, boards: dict[str, Any]) -> Iterator[tuple[str, Call, str | None]]:
    """Yield name, call and the name of the bare call that does the same."""
    plain = boards["ordinal"]
    key = plain.keys().board
    yield "bare ping", lambda member: client.ping(), None
    yield "bare ordinal rank", lambda member: client.zrevrank(key, member), None
    yield "bare top10", bare_top(client, key), None
    yield "bare around", bare_around(client, key), None
    for ties in ("competition", "dense"):
        keys = boards[ties].keys()
        yield f"bare {ties} rank", bare_tied_rank(client, keys[0], keys[ties == "dense"]), None
    yield "bare increment", bare_increment(client, [plain.keys(window).board for window in plain.windows_now()]), None
    for ties, board in boards.items():
        yield f"{ties} top10", lambda member, board=board: board.top(10), "bare top10"
        yield f"{ties} rank", lambda member, board=board: board.rank(member), f"bare {ties} rank"
        yield f"{ties} around", lambda member, board=board: board.around(member, 5), "bare around"
        yield f"{ties} increment", lambda member, board=board: board.increment(member), "bare increment"


def measure(lanes: list[tuple[str, Call, str | None]], members: int, rounds: int) -> dict[str, float]:
    """Return each lane's median, in microseconds; a round takes every lane once, in an order of its own."""
    times: dict[str, list[float]] = {name: [] for name, _, _ in lanes}
    for _ in range(rounds):
        for name, call, _ in random.sample(lanes, len(lanes)):
            member = str(random.randrange(members))
            start = time.perf_counter()
            call(member)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) * 1e6 for name, taken in times.items()}


def main(members: int = 100_000, rounds: int = 2000) -> None:
    """Print the table."""
    from django_redis_patterns.leaderboards import Leaderboard

    boards = {ties: Leaderboard(ties, ties=ties, windows=WINDOWS) for ties in TIES}
    with redis.Redis.from_url(os.environ["BENCH_REDIS"], protocol=2) as client:
        for board in boards.values():
            fill(client, board, members)
        lanes = list(calls(client, boards))
        measure(lanes, members, 100)
        median = measure(lanes, members, rounds)
    print(f"{members} members, {rounds} rounds, {len(WINDOWS)} windows\n{'':24}{'µs':>8}{'x ping':>8}{'x bare':>8}")
    for name, _, bare in lanes:
        ratio = f"{median[name] / median[bare]:8.2f}" if bare else ""
        print(f"{name:24}{median[name]:8.0f}{median[name] / median['bare ping']:8.2f}{ratio}")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    with RedisServer() as server:
        os.environ["BENCH_REDIS"] = server.url
        settings.REDIS_PATTERNS["CONNECTIONS"]["default"]["URL"] = server.url
        django.setup()
        main(*map(int, sys.argv[1:]))
