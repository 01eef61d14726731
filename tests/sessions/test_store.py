"""What the session store promises."""

import threading
import time
from datetime import timedelta

import pytest
import redis
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.cache import SessionStore as CacheSessionStore
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.management import call_command
from django.test import override_settings

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import client
from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.sessions import SessionStore, for_user
from django_redis_patterns.sessions.fields import Fields
from django_redis_patterns.sessions.handle import Handle
from django_redis_patterns.testing.servers import RedisServer

from .conftest import login


def stored(data: dict[str, object]) -> SessionStore:
    session = SessionStore()
    session.update(data)
    session.save()
    return session


def again(session: SessionStore) -> SessionStore:
    """The session as the next request sees it."""
    return SessionStore(session.session_key)


def key_of(session: SessionStore) -> str:
    handle = Handle.of(session.session_key)
    assert handle
    return handle.key


def verbs(log: trace.Log) -> list[str]:
    return [" ".join(told.command.split()[:2]) for told in log.commands]


def test_writes_of_different_keys_are_never_lost() -> None:
    """Fifty threads that each save fifty times their own key of one session all find their last value."""
    session = stored({"start": 1})

    def write(n: int) -> None:
        for i in range(50):
            mine = again(session)
            mine[f"key{n}"] = i
            mine.save()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(again(session).items()) == {"start": 1, **{f"key{n}": 49 for n in range(50)}}


def test_a_nested_change_is_noticed() -> None:
    """A change inside a stored list is seen without setting ``modified``."""
    session = again(stored({"cart": {"items": [1]}, "other": 1}))
    assert not session.modified
    session["cart"]["items"].append(2)
    assert session.modified
    session.save()
    assert again(session)["cart"] == {"items": [1, 2]}


def test_an_equal_value_is_not_written() -> None:
    """Setting a key to what it is already writes no field, and does not undo what another request wrote."""
    session = stored({"a": [1], "b": 1})
    mine, other = again(session), again(session)
    mine["a"] = [1]
    other["a"] = [2]
    other.save()
    mine["b"] = 2
    mine.save()
    assert dict(again(session).items()) == {"a": [2], "b": 2}


def test_a_removed_key_is_removed_alone() -> None:
    """Deleting a key removes its field and leaves what another request wrote meanwhile."""
    session = stored({"a": 1, "b": 1})
    mine, other = again(session), again(session)
    del mine["a"]
    other["c"] = 1
    other.save()
    mine.save()
    assert dict(again(session).items()) == {"b": 1, "c": 1}


def test_the_raw_id_never_reaches_redis(redis_server: RedisServer) -> None:
    """No command of a session's whole life contains its id, nor do the names and values that it leaves behind."""
    with redis.Redis.from_url(redis_server.url, protocol=2) as client, client.monitor() as monitor:
        session = login()
        ids = [session.session_key]
        again(session).get("a")
        session["a"] = 1
        session.save()
        session.exists(session.session_key)
        session.cycle_key()
        ids.append(session.session_key)
        session.delete()
        client.echo("the end")
        seen = []
        while "the end" not in (command := monitor.next_command()["command"]):
            seen.append(command)
    assert len(seen) > 8
    assert not [command for command in seen for id in ids if id in command]


@pytest.mark.parametrize(
    "id", ["", "short", "x" * 65, "UPPERCASE", "with space", "né" * 10, "a" * 31 + "\n", "../../etc"]
)
def test_a_malformed_id_costs_no_trip(id: str) -> None:
    """An id that cannot be one is no session, without asking Redis."""
    with trace.record() as log:
        assert not SessionStore(id).exists(id)
        SessionStore(id).delete(id)
        session = SessionStore(id)
        assert session.get("a") is None
    assert (log.trips, session.session_key) == (0, None)


def test_an_unknown_id_is_no_session() -> None:
    """An id of which Redis knows nothing is not taken over: the session that is then saved gets one of its own."""
    session = SessionStore("a" * 32)
    session["a"] = 1
    session.save()
    assert session.session_key != "a" * 32
    assert not SessionStore().exists("a" * 32)


@pytest.mark.parametrize("junk", [b"", b"j{", b"?x", b"j\xff", b"\x00"])
def test_an_undecodable_field_is_absent_and_counted(bare_redis: redis.Redis, junk: bytes) -> None:
    """A field that cannot be decoded is absent, is counted, and survives a save untouched."""
    session = stored({"good": 1, "bad": 1})
    bare_redis.hset(key_of(session), ".bad", junk)
    before = trace.counters().get("sessions.undecodable", 0)
    mine = again(session)
    assert "bad" not in mine
    assert mine["good"] == 1
    assert trace.counters()["sessions.undecodable"] > before
    mine["good"] = 2
    mine.save()
    assert client().hget(key_of(session), ".bad") == junk


@pytest.mark.parametrize("header", [b"", b"1", b"2" + b"1" * 12, b"1" * 12, b"1" * 14, b"\xff"])
def test_a_broken_header_is_no_session(bare_redis: redis.Redis, header: bytes) -> None:
    """A session whose header is broken, or of a version to come, counts as no session and never as an error."""
    session = login()
    bare_redis.hset(key_of(session), "h", header)
    mine = again(session)
    assert dict(mine.items()) == {}
    assert mine.session_key is None


def test_a_key_of_another_type_is_no_session(bare_redis: redis.Redis) -> None:
    """Where something else lies in the place of a session, there is no session."""
    session = stored({"a": 1})
    bare_redis.set(key_of(session), "stranger", ex=60)
    assert again(session).get("a") is None


def test_a_load_can_share_a_trip(face) -> None:
    """Who speaks to Redis anyway may bring the session along: it is there, and nobody has asked for it yet."""
    session = again(login(page=1))
    face(session.prefetch)
    assert not session.accessed
    with trace.record() as log:
        assert session["page"] == 1
        face(session.prefetch)
    assert log.trips == 0


def test_a_load_that_shares_a_trip_and_fails_is_forgotten() -> None:
    session = again(login(page=1))
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}):
        with pytest.raises(RedisUnavailable):
            session.prefetch()
        assert session.failure is None
    assert session["page"] == 1


def test_a_load_is_one_command() -> None:
    """Reading any number of keys costs one HGETALL."""
    session = login(a=1)
    with trace.record() as log:
        mine = again(session)
        assert (mine["a"], mine.get("b"), len(mine.keys())) == (1, None, 4)
    assert [told.command.split()[0] for told in log.commands] == ["HGETALL"]


@pytest.mark.parametrize("make", [lambda: stored({"a": 1}), login], ids=["anonymous", "logged in"])
def test_a_save_is_one_script(make) -> None:
    """A save is one script in one trip; a user's index is left alone."""
    session = again(make())
    session["a"] = 2
    with trace.record() as log:
        session.save()
    assert verbs(log) == ["EVALSHA save.lua"]
    assert log.trips == 1


@pytest.mark.parametrize("start", [lambda: SessionStore(), lambda: again(stored({"cart": 1}))], ids=["new", "existing"])
def test_a_login_is_one_trip(start) -> None:
    """Of a login's two calls each is one trip, with the index in it."""
    session = start()
    session.get("cart")
    with trace.record() as log:
        session.cycle_key()
    assert log.trips == 1
    session["_auth_user_id"] = "7"
    with trace.record() as log:
        session.save()
    assert verbs(log) == ["EVALSHA index.lua", "EVALSHA save.lua", "EVALSHA index.lua"]
    assert log.trips == 1


def test_cycle_key_moves_the_session() -> None:
    """After a change of id the old id is dead and the data is under the new one, in one trip for a user too."""
    session = login(a=1)
    old = session.session_key
    with trace.record() as log:
        session.cycle_key()
    assert log.trips == 1
    assert not session.exists(old)
    assert again(session)["a"] == 1


def test_an_ended_session_stays_ended() -> None:
    """Neither a save nor a change of id brings back a session that was ended meanwhile."""
    session = login()
    mine = again(session)
    mine["a"] = 1
    session.delete()
    with pytest.raises(UpdateError):
        mine.save()
    with pytest.raises(SessionInterrupted):
        mine.cycle_key()
    assert not session.exists(mine.session_key)


@pytest.fixture
def django_cache(settings, redis_server: RedisServer) -> None:
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": redis_server.url}}


def test_a_login_session_is_small(bare_redis: redis.Redis, django_cache: None) -> None:
    """A login session takes at most 1.2 times the memory of Django's cache session, the devices page included."""
    ours = login()
    theirs = CacheSessionStore()
    theirs.update(dict(ours.items()))
    theirs.save()
    their_key = next(key for key in bare_redis.scan_iter() if theirs.session_key in key)
    assert bare_redis.memory_usage(key_of(ours)) <= 1.2 * bare_redis.memory_usage(their_key)


@pytest.mark.parametrize("value", ["0123456789abcdef" * 4, "AB" * 32, "abc", "0" * 33, "", "é", None, 1, {"a": [1.5]}])
def test_every_value_comes_back_as_it_was(value: object) -> None:
    """Values survive, hex digests packed into half as many bytes too."""
    assert again(stored({"v": value}))["v"] == value


def test_a_hex_digest_is_packed(bare_redis: redis.Redis) -> None:
    """A digest takes its raw bytes and one for the format."""
    assert bare_redis.hstrlen(key_of(login()), "._auth_user_hash") == 33


@pytest.mark.parametrize("age", [60, timedelta(minutes=1)])
def test_the_ttl_is_the_expiry(bare_redis: redis.Redis, age: object) -> None:
    """The key lives exactly as long as Django says that the session does."""
    session = stored({"a": 1})
    assert bare_redis.ttl(key_of(session)) == pytest.approx(1209600, abs=2)
    session.set_expiry(age)
    session.save()
    assert bare_redis.ttl(key_of(session)) == pytest.approx(60, abs=2)


def test_a_session_that_expires_now_is_gone() -> None:
    """Saving with an age of nothing or less ends the session."""
    session = stored({"a": 1})
    session.set_expiry(-1)
    session.save()
    assert not session.exists(session.session_key)


def test_a_read_prolongs_a_sliding_session(settings, bare_redis: redis.Redis) -> None:
    """A sliding session asks to be saved once a tenth of its life is over, and only then."""
    session = stored({"a": 1})
    fresh, old = again(session), again(session)
    now = time.time()
    for mine in (fresh, old):
        mine.get("a")
    old._header.expires = int(now + 0.8 * 1209600)
    assert not old.modified
    settings.REDIS_PATTERNS = settings.REDIS_PATTERNS | {"SESSIONS": {"SLIDING": True}}
    assert (fresh.modified, old.modified) == (False, True)
    bare_redis.expire(key_of(session), 100)
    old.save()
    assert bare_redis.ttl(key_of(session)) > 1209000
    assert not old.modified


def test_clearsessions_works() -> None:
    """The command of Django finds nothing to do, and says so by not failing."""
    session = stored({"a": 1})
    call_command("clearsessions")
    assert again(session)["a"] == 1


def test_values_stay_out_of_logs() -> None:
    """The repr of a session's data shows none of it."""
    assert "secret" not in repr(Fields(SessionStore().serializer(), {b".a": b'j"secret"'}))


def test_a_session_that_starts_over_is_whole() -> None:
    """A new id for loaded data takes all of it along and is listed for its user; so is a login after a logout."""
    old = again(login(7, cart=[1]))
    assert old["cart"] == [1]
    first = old.session_key
    old.create()
    assert dict(again(old).items()) == dict(SessionStore(first).items())
    old.flush()
    old.update({"_auth_user_id": "7"})
    old.save()
    listed = {info.id for info in for_user(User(pk=7))}
    assert {str(Handle.of(first)), str(Handle.of(old.session_key))} == listed
