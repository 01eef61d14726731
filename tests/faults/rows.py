"""Every operation of every room, and what it may leave behind: nothing, or what one call does."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import redis
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

import django_redis_patterns
from django_redis_patterns.caching import RedisCache, cached, leases, through
from django_redis_patterns.caching.backend import lease as cold
from django_redis_patterns.caching.copies import Copies
from django_redis_patterns.caching.fetch import refresh_stale
from django_redis_patterns.caching.invalidation import forget
from django_redis_patterns.caching.leases import prolong
from django_redis_patterns.caching.near import Link, beat
from django_redis_patterns.caching.place import Tag
from django_redis_patterns.caching.tally import all_stats
from django_redis_patterns.caching.through import claim
from django_redis_patterns.core.worker.lease import hold
from django_redis_patterns.leaderboards import Leaderboard, Trending
from django_redis_patterns.leaderboards.sync import Follower
from django_redis_patterns.locks import Held, lock
from django_redis_patterns.locks.lease import Lease
from django_redis_patterns.locks.place import Card
from django_redis_patterns.locks.state import states
from django_redis_patterns.locks.turnstile import come, evict, leave, renew
from django_redis_patterns.ratelimit import Decision, Limiter
from django_redis_patterns.ratelimit.backends import Attempt, admit, forgive
from django_redis_patterns.ratelimit.enforcement import enforce, settle
from django_redis_patterns.ratelimit.evaluate import Charge, evaluate, give_back, look
from django_redis_patterns.ratelimit.request_rules import RequestRule
from django_redis_patterns.ratelimit.verdict import verdict_of
from django_redis_patterns.realtime.sign_out import sign_out
from django_redis_patterns.realtime.transmit import Message, transmit
from django_redis_patterns.sessions import SessionMiddleware, SessionStore, for_user, logout, logout_everywhere
from tests.boards.models import Player
from tests.faults.logs import LOGS
from tests.faults.row import Call, Look, Row
from tests.sessions.conftest import login

songs = Leaderboard("songs", windows=["day", "all"], ties="competition")
hot = Trending("articles", half_life="30d")
login_limit = Limiter("login", "5/d", algorithm="log")
USER = User(pk=7, username="ada")


def _songs(face: Any, *args: Any) -> Callable[[], Call]:
    def prepare() -> Call:
        for name, score in (("a", 1), ("b", 2), ("c", 3)):
            songs.add(name, score)
        return (face, *args)

    return prepare


def _score(member: str) -> Look:
    return lambda redis: redis.zscore(songs.keys().board, member)


def _hot(face: Any, *args: Any) -> Callable[[], Call]:
    def prepare() -> Call:
        hot.hit("a")
        return (face, *args)

    return prepare


def _hits(redis: redis.Redis) -> int:
    return round(redis.zscore(hot._keys[0], "a") or 0)


def _limited(act: Callable[[Decision], Call]) -> Callable[[], Call]:
    def prepare() -> Call:
        login_limit.peek("ann")  # raises while Redis is away, where a hit is let through
        return act(login_limit.hit("ann"))

    return prepare


def _both() -> list[Charge]:
    return [Charge(login_limit.declared, name) for name in ("ann", "bob")]


def _of_requests() -> RequestRule:
    return RequestRule(rule=login_limit.declared, key=lambda request: "ann", count_if=lambda response: False)


def _awaiting(first: Decision) -> HttpRequest:
    request = HttpRequest()
    verdict_of(request).note([_of_requests()], [first])
    return request


def _charged(redis: redis.Redis) -> int:
    return sum(int(redis.llen(key)) for key in redis.scan_iter("*:ratelimit:*"))


def _players(act: Callable[[], Call]) -> Callable[[], Call]:
    def prepare() -> Call:
        Player.objects.all().delete()
        for points in (1, 2, 3):
            Player.objects.create(name=str(points), points=points)
        return act()

    return prepare


def _standing(redis: redis.Redis) -> list[float]:
    return [score for _, score in redis.zrange(Player.leaderboard.board.keys().board, 0, -1, withscores=True)]


def _look_again() -> Call:
    """As a commit does: somebody's row has changed past the board."""
    board = Player.leaderboard.board
    player = Player.objects.get(points=3)
    Player.objects.filter(pk=player.pk).update(points=9)
    return (Follower(board, "default").look, board.members.text(player))


def _wrong() -> Call:
    Player.objects.filter(points=3).update(points=9)
    return (Player.leaderboard.reconcile, True)


def _rebuilt() -> Call:
    Player.objects.filter(points=3).update(points=9)
    return (Player.leaderboard.rebuild,)


def _session(act: Callable[[SessionStore], Call]) -> Callable[[], Call]:
    return lambda: act(login(7, page=1))


def _changed(act: Callable[[SessionStore], Any]) -> Callable[[SessionStore], Call]:
    def prepare(session: SessionStore) -> Call:
        session["page"] = 2
        return (act(session),)

    return prepare


def _through_middleware(session: SessionStore) -> Call:
    session["page"] = 2
    request = HttpRequest()
    request.session = session
    return (SessionMiddleware(lambda request: HttpResponse()).process_response, request, HttpResponse())


def _pages(redis: redis.Redis) -> list[str]:
    """What the living sessions hold."""
    keys = [key for key in redis.scan_iter("*:sessions:*") if redis.type(key) == "hash"]
    return sorted(str(redis.hget(key, ".page")) for key in keys)


def _created() -> Call:
    session = SessionStore()
    session["page"] = 2
    return (session.create,)


ONE, TWO = ["j1"], ["j2"]  # a page, as it is stored
NONE: list[str] = []


def _two_devices() -> SessionStore:
    login(7, page=1)
    return login(7, page=1)


def _held(act: Callable[[Held], Call]) -> Callable[[], Call]:
    return lambda: act(lock("orders").acquire())


def _one(act: Callable[[Lease], Call]) -> Callable[[], Call]:
    return _held(lambda held: act(held.quorum.leases[0]))


def _holders(redis: redis.Redis) -> int:
    return redis.zcard(lock("orders").places()[0].keys[0])


cache = RedisCache("", {"OPTIONS": {"CONNECTION": "default"}})


def _entries(face: Any, *args: Any) -> Callable[[], Call]:
    def prepare() -> Call:
        cache.set_many({"a": 1, "b": 2})
        return (face, *args)

    return prepare


def _lease_of_c() -> Call:
    lease = cold.Lease("default", ":1:c", 30)
    cache.client.get_client().set(lease.entry, cold.LEASE + f"99999999999999:{lease.token}".encode(), ex=60)
    return (lease.give_back,)


def _entry(key: str, version: int = 1) -> Look:
    """What is stored there; a lease is nothing."""

    def look(redis: redis.Redis) -> Any:
        stored = redis.get(f":{version}:{key}")
        return None if stored is None or stored.startswith("\0lease:") else stored

    return look


def _versions(redis: redis.Redis) -> Any:
    return _entry("a")(redis), _entry("a", 2)(redis)


@cached(ttl=60, tags=["books"])
def best(shelf: int) -> str:
    return "made"


def _away(act: Callable[[], Call]) -> Callable[[], Call]:
    """What goes on without Redis is prepared when Redis is there."""

    def prepare() -> Call:
        best.peek(1)
        return act()

    return prepare


def _stored(act: Callable[[], Call]) -> Callable[[], Call]:
    def prepare() -> Call:
        best.set("old", 1)
        return act()

    return prepare


def _claimed(act: Callable[[str], Call]) -> Callable[[], Call]:
    def prepare() -> Call:
        claim(best.call_of(1), "token")
        return act("token")

    return prepare


PLACE = best.call_of(1).place


def _values(redis: redis.Redis) -> int:
    return redis.exists(PLACE.keys[0])


def _leased(redis: redis.Redis) -> int:
    return redis.exists(PLACE.keys[1])


def _new_values(redis: redis.Redis) -> list[int]:
    return [redis.exists(best.key_for(1)), redis.exists(best.key_for(2))]


ROWS: dict[str, Row] = {
    "RedisCache.add": Row(_entries(cache.add, "c", 5), _entry("c"), (None, "5")),
    "RedisCache.clear": Row(_entries(cache.clear), _entry("a"), ("1", None)),
    "RedisCache.decr": Row(_entries(cache.decr, "a"), _entry("a"), ("1", "0")),
    "RedisCache.delete": Row(_entries(cache.delete, "a"), _entry("a"), ("1", None)),
    "RedisCache.delete_many": Row(_entries(cache.delete_many, ["a"]), _entry("a"), ("1", None)),
    "RedisCache.delete_pattern": Row(_entries(cache.delete_pattern, "a*"), _entry("a"), ("1", None)),
    "RedisCache.get": Row(_entries(cache.get, "a"), reads=True),
    "RedisCache.get_many": Row(_entries(cache.get_many, ["a", "b"]), reads=True),
    "Cold.get_or_set": Row(_entries(cache.get_or_set, "c", 5), _entry("c"), (None, "5"), waits=True),
    "RedisCache.has_key": Row(_entries(cache.has_key, "a"), reads=True),
    "RedisCache.incr": Row(_entries(cache.incr, "a"), _entry("a"), ("1", "2")),
    "RedisCache.incr_version": Row(
        _entries(cache.incr_version, "a"), _versions, (("1", None), ("1", "1"), (None, "1"))
    ),
    "RedisCache.keys": Row(_entries(cache.keys, "*"), reads=True),
    "RedisCache.set": Row(_entries(cache.set, "a", 5), _entry("a"), ("1", "5")),
    "RedisCache.set_many": Row(_entries(cache.set_many, {"a": 5}), _entry("a"), ("1", "5")),
    "Lease.give_back": Row(_lease_of_c, lambda redis: redis.exists(":1:c"), (1, 0)),
    "Expiring.expire": Row(_entries(cache.expire, "a", 60)),
    "Expiring.expire_at": Row(_entries(cache.expire_at, "a", 4102444800)),
    "Expiring.persist": Row(_entries(cache.persist, "a")),
    "Expiring.pexpire": Row(_entries(cache.pexpire, "a", 60000)),
    "Expiring.pexpire_at": Row(_entries(cache.pexpire_at, "a", 4102444800000)),
    "Expiring.pttl": Row(_entries(cache.pttl, "a"), reads=True),
    "Expiring.touch": Row(_entries(cache.touch, "a", 60)),
    "Expiring.ttl": Row(_entries(cache.ttl, "a"), reads=True),
    "Cached.get": Row(_away(lambda: (best.get, 1)), _values, (0, 1), waits=True, goes_on=True),
    "Cached.many": Row(
        _away(lambda: (best.many, [(1,), (2,)])),
        _new_values,
        ([0, 0], [1, 0], [0, 1], [1, 1]),
        waits=True,
        goes_on=True,
    ),
    "Cached.peek": Row(_stored(lambda: (best.peek, 1)), _values, (1,), reads=True),
    "Cached.refresh": Row(_away(lambda: (best.refresh, 1)), _values, (0, 1), goes_on=True),
    "Cached.set": Row(lambda: (best.set, "new", 1), _values, (0, 1)),
    "Cached.stats": Row(lambda: (best.stats,), reads=True),
    "caching.all_stats": Row(lambda: (all_stats,), reads=True),
    "caching.beat": Row(lambda: (beat, [Link("default", None, PLACE.keys[0], Copies())])),
    "caching.claim": Row(lambda: (claim, best.call_of(1), "token"), _leased, (0, 1)),
    "caching.forget": Row(_stored(lambda: (forget, PLACE, Tag("default", "books"))), _values, (1, 0)),
    "caching.give_back": Row(_claimed(lambda token: (leases.give_back, PLACE, token)), _leased, (1, 0)),
    "caching.prolong": Row(_claimed(lambda token: (prolong, PLACE, token)), _leased, (1,), reads=True),
    "caching.refresh_stale": Row(lambda: (refresh_stale, best.call_of(1), b""), _values, (0, 1)),
    "caching.settle": Row(_claimed(lambda token: (through.settle, PLACE, token, b"data", 60_000)), _values, (0, 1)),
    "Leaderboard.add": Row(_songs(songs.add, "d", 7), _score("d"), (None, 7)),
    "Leaderboard.increment": Row(_songs(songs.increment, "a", 2), _score("a"), (1, 3)),
    "Leaderboard.remove": Row(_songs(songs.remove, "a"), _score("a"), (1, None)),
    "Leaderboard.among": Row(_songs(songs.among, ["a", "b"]), reads=True),
    "Leaderboard.around": Row(_songs(songs.around, "b", 1), reads=True),
    "Leaderboard.count": Row(_songs(songs.count), reads=True),
    "Leaderboard.page": Row(_songs(songs.page, 1), reads=True),
    "Leaderboard.percentile": Row(_songs(songs.percentile, "b"), reads=True),
    "Leaderboard.rank": Row(_songs(songs.rank, "b"), reads=True),
    "Leaderboard.score": Row(_songs(songs.score, "b"), reads=True),
    "Leaderboard.slice": Row(_songs(songs.slice, 1, 2), reads=True),
    "Leaderboard.top": Row(_songs(songs.top), reads=True),
    "Trending.hit": Row(_hot(hot.hit, "a"), _hits, (1, 2)),
    "Trending.remove": Row(_hot(hot.remove, "a"), _hits, (1, 0)),
    "Trending.rank": Row(_hot(hot.rank, "a"), reads=True),
    "Trending.score": Row(_hot(hot.score, "a"), reads=True),
    "Trending.top": Row(_hot(hot.top), reads=True),
    "Limiter.hit": Row(_limited(lambda first: (login_limit.hit, "ann")), _charged, (1, 2)),
    "Limiter.peek": Row(_limited(lambda first: (login_limit.peek, "ann")), reads=True),
    "Limiter.reset": Row(_limited(lambda first: (login_limit.reset, "ann")), _charged, (1, 0)),
    "Limiter.refund": Row(_limited(lambda first: (login_limit.refund, first)), _charged, (1, 0)),
    "Limiter.wait": Row(_limited(lambda first: (login_limit.wait, "ann")), _charged, (1, 2)),
    "ratelimit.evaluate": Row(_limited(lambda first: (evaluate, _both())), _charged, (1, 2, 3)),
    "ratelimit.look": Row(_limited(lambda first: (look, _both())), reads=True),
    "ratelimit.give_back": Row(_limited(lambda first: (give_back, [first])), _charged, (1, 0)),
    "ratelimit.enforce": Row(_limited(lambda first: (enforce, HttpRequest(), [_of_requests()])), _charged, (1, 2)),
    "ratelimit.settle": Row(_limited(lambda first: (settle, _awaiting(first), HttpResponse())), _charged, (1, 0)),
    "ratelimit.admit": Row(_limited(lambda first: (admit, None, Attempt([_both()[0]]))), _charged, (1, 2)),
    "ratelimit.forgive": Row(_limited(lambda first: (forgive, Attempt([], [first]))), _charged, (1, 0)),
    "Lock.acquire": Row(lambda: (lock("orders", wait=0).acquire,), _holders, (0, 1)),
    "Lock.holders": Row(_held(lambda held: (lock("orders").holders,)), _holders, (1,), reads=True),
    "Held.release": Row(_held(lambda held: (held.release,)), _holders, (1, 0)),
    "locks.enter": Row(lambda: (come, lock("orders").places()[0], Card.new(30)), _holders, (0, 1)),
    "locks.left": Row(_one(lambda lease: (leave, lease.place, lease.card, lease.fence)), _holders, (1, 0)),
    "locks.evict": Row(_one(lambda lease: (evict, lease.place)), _holders, (1, 0)),
    "locks.renew": Row(_held(lambda held: (renew, "default", held.quorum.leases)), _holders, (1,), reads=True),
    "locks.states": Row(_one(lambda lease: (states, "default", [lease.place.keys])), _holders, (1,), reads=True),
    "LeaderboardManager.count": Row(_players(lambda: (Player.leaderboard.count,)), reads=True),
    "LeaderboardManager.reconcile": Row(_players(_wrong), _standing, ([1, 2, 3], [1, 2, 9]), waits=True),
    "LeaderboardManager.rebuild": Row(_players(_rebuilt), _standing, ([1, 2, 3], [1, 2, 9])),
    "Follower.look": Row(_players(_look_again), _standing, ([1, 2, 3], [1, 2, 9])),
    "core.hold": Row(lambda: (hold, "default", "live", ["me"], 60), lambda redis: redis.zcard("live"), (0, 1)),
    **LOGS,
    "realtime.transmit": Row(lambda: (transmit, Message("orders.7", "{}"))),
    "realtime.sign_out": Row(lambda: (sign_out, "7", "digest")),
    "sessions.for_user": Row(_session(lambda session: (for_user, USER)), reads=True),
    "sessions.logout": Row(_session(lambda session: (logout, USER, for_user(USER)[0].id)), _pages, (ONE, NONE)),
    "sessions.logout_everywhere": Row(
        lambda: (_two_devices() and logout_everywhere, USER), _pages, (ONE * 2, ONE, NONE)
    ),
    "SessionMiddleware.process_response": Row(_session(_through_middleware), _pages, (ONE, TWO)),
    "SessionStore.create": Row(_created, _pages, (NONE, TWO)),
    "SessionStore.cycle_key": Row(_session(lambda session: (session.cycle_key,)), _pages, (ONE,)),
    "SessionStore.delete": Row(_session(lambda session: (session.delete,)), _pages, (ONE, NONE)),
    "SessionStore.exists": Row(_session(lambda session: (session.exists, session.session_key)), reads=True),
    "SessionStore.load": Row(_session(lambda session: (SessionStore(session.session_key).load,)), reads=True),
    "SessionStore.prefetch": Row(_session(lambda session: (SessionStore(session.session_key).prefetch,)), reads=True),
    "SessionStore.save": Row(_session(_changed(lambda session: session.save)), _pages, (ONE, TWO)),
    "SessionStore.touch": Row(_session(lambda session: (session.touch,)), _pages, (ONE,)),
}


def was_answered(result: Any) -> bool:
    """Return whether it is Redis who has decided, and not a policy for outages."""
    decisions = getattr(result, "decisions", result if isinstance(result, list) else [result])
    away = any(isinstance(decision, Decision) and decision.unavailable for decision in decisions)
    return getattr(result, "status_code", 200) < 500 and not away and result is not False


def operations() -> Iterator[str]:
    """Yield the name of every operation of the package; those that are no methods go by their rooms."""
    for module in pkgutil.walk_packages(django_redis_patterns.__path__, "django_redis_patterns."):
        if ".testing" not in module.name and ".management" not in module.name:
            yield from _of(importlib.import_module(module.name))


def _of(module: Any) -> Iterator[str]:
    for value in vars(module).values():
        places = [value, *(vars(value).values() if inspect.isclass(value) else ())]
        mine = [one for one in places if hasattr(one, "twin") and one.__module__ == module.__name__]
        yield from (_name(one) for one in mine)


def _name(face: Any) -> str:
    room = face.__module__.split(".")[1]
    return face.__qualname__ if "." in face.__qualname__ else f"{room}.{face.__qualname__}"
