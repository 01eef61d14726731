"""The sessions of a user: listing them, and ending them."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.utils.crypto import get_random_string

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.sessions import (
    SessionStore,
    afor_user,
    alogout,
    alogout_everywhere,
    for_user,
    logout,
    logout_everywhere,
)
from django_redis_patterns.sessions.handle import Handle, index_key
from django_redis_patterns.signals import session_ended

from .conftest import login

INDEX = index_key("7")


def handle_of(session: SessionStore) -> Handle:
    handle = Handle.of(session.session_key)
    assert handle
    return handle


def ids(user: User) -> set[str]:
    return {info.id for info in for_user(user)}


def lives(session: SessionStore) -> bool:
    return session.exists(session.session_key)


@pytest.fixture
def told():
    """What the signal told."""
    heard: list[tuple[str, str]] = []

    def hear(*, user_id: str, id: str, **_: object) -> None:
        heard.append((user_id, id))

    session_ended.connect(hear)
    yield heard
    session_ended.disconnect(hear)


def test_for_user_lists_each_device(user: User, face) -> None:
    """Every living session of the user, and no one else's, is there with what a devices page shows."""
    here, there, _ = login(7), login(7), login(8)
    found = face(for_user, user, current=here)
    assert [(info.id, info.current) for info in found] == [
        (str(handle_of(here)), True),
        (str(handle_of(there)), False),
    ]
    for info in found:
        assert (info.ip, info.agent) == ("192.0.2.1", "Firefox 128 on Linux")
        assert info.created.tzinfo is UTC
        assert abs(datetime.now(UTC) - info.created) < timedelta(seconds=3)
        assert abs(datetime.now(UTC) - info.last_seen) < timedelta(seconds=3)


def test_for_user_is_two_trips(user: User) -> None:
    """A list of ten sessions costs two trips."""
    for _ in range(10):
        login(7)
    with trace.record() as log:
        assert len(for_user(user)) == 10
    assert log.trips == 2


def test_the_public_id_is_no_cookie(user: User) -> None:
    """What a page may show does not open the session."""
    session = login(7)
    info = for_user(user)[0]
    assert session.session_key not in info.id
    assert SessionStore(info.id).get("_auth_user_id") is None


def test_logout_ends_one_session(user: User, face, told) -> None:
    """Logging out one device ends it, leaves the others, and tells the signal."""
    phone, laptop = login(7), login(7)
    gone = str(handle_of(phone))
    assert face(logout, user, gone) is True
    assert (lives(phone), lives(laptop)) == (False, True)
    assert ids(user) == {str(handle_of(laptop))}
    assert told == [("7", gone)]
    assert face(logout, user, gone) is False
    assert len(told) == 1


@pytest.mark.parametrize("junk", ["", "junk", "*", "a" * 26, "é" * 26])
def test_logout_of_an_unknown_id_does_nothing(user: User, junk: str) -> None:
    """An id that names no session is refused without an error."""
    assert logout(user, junk) is False


def test_logout_refuses_the_id_of_another_user(user: User, face, told) -> None:
    """A user who learns the id of somebody else's session cannot end it, nor an anonymous one."""
    other, anonymous = login(8), SessionStore()
    anonymous["a"] = 1
    anonymous.save()
    assert face(logout, user, str(handle_of(other))) is False
    assert face(logout, user, str(handle_of(anonymous))) is False
    assert lives(other)
    assert lives(anonymous)
    assert told == []


def test_logout_everywhere_keeps_one(user: User, face, told) -> None:
    """Every session of the user ends but the one to keep; other users' stay."""
    here, other, rest = login(7), login(8), [login(7) for _ in range(3)]
    assert face(logout_everywhere, user, keep=here) == 3
    assert lives(here)
    assert lives(other)
    assert not [session for session in rest if lives(session)]
    assert ids(user) == {str(handle_of(here))}
    assert sorted(told) == sorted(("7", str(handle_of(session))) for session in rest)
    assert face(logout_everywhere, user) == 1
    assert not lives(here)


def test_the_signal_tells_of_a_users_own_logout(told) -> None:
    """Django's logout, which flushes the session, tells it too."""
    session = login(7)
    gone = str(handle_of(session))
    session.flush()
    assert told == [("7", gone)]


def test_a_failing_receiver_breaks_nothing(user: User) -> None:
    """A receiver that raises does not undo or hide a logout."""

    def fail(**_: object) -> None:
        raise RuntimeError

    session_ended.connect(fail)
    try:
        assert logout(user, str(handle_of(login(7)))) is True
    finally:
        session_ended.disconnect(fail)


def test_reading_drops_dead_entries(user: User, bare_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry whose session is gone is not listed, and is off the index a minute after the first read."""
    dead, alive = login(7), login(7)
    bare_redis.delete(handle_of(dead).key)
    assert ids(user) == {str(handle_of(alive))}
    assert bare_redis.zscore(INDEX, str(handle_of(dead))) <= (time.time() + 61) * 1000
    monkeypatch.setattr("django_redis_patterns.sessions.index.GRACE_MS", 0)
    assert ids(user) == {str(handle_of(alive))}
    assert bare_redis.zrange(INDEX, 0, -1) == [str(handle_of(alive))]


def test_a_login_trims_the_index(bare_redis: redis.Redis) -> None:
    """Entries past their time leave with the next login, read or not."""
    login(7)
    bare_redis.zadd(INDEX, {"a" * 26: time.time() * 1000 - 1})
    login(7)
    assert bare_redis.zscore(INDEX, "a" * 26) is None


def test_the_index_ends_with_its_last_session(bare_redis: redis.Redis) -> None:
    """The index has a TTL that reaches the end of every session on it."""
    session = login(7)
    assert bare_redis.pttl(INDEX) >= bare_redis.pttl(handle_of(session).key)
    session.flush()
    assert not bare_redis.exists(INDEX)


def test_a_session_that_is_saved_on_and_on_stays_listed(user: User) -> None:
    """Saves leave the index alone until the session would outlive its entry: then they prolong it."""
    session = login(7)
    session.set_expiry(5 * 1209600)
    with trace.record() as log:
        session.save()
    assert sum("index.lua" in told.command for told in log.commands) == 2
    assert ids(user) == {str(handle_of(session))}


def test_a_change_of_id_moves_the_entry(user: User) -> None:
    """After a new id the list names the session once, under that id."""
    session = login(7)
    session.cycle_key()
    assert ids(user) == {str(handle_of(session))}


def test_a_change_of_user_moves_the_entry(user: User) -> None:
    """A session that becomes another user's is on that user's list only."""
    session = login(7)
    session["_auth_user_id"] = "8"
    session.save()
    assert ids(user) == set()
    assert ids(User(pk=8)) == {str(handle_of(session))}


def test_the_async_faces_do_the_same(user: User) -> None:
    """On an event loop everything is there under its ``a`` name."""

    async def live() -> None:
        session = SessionStore()
        await session.aset("_auth_user_id", "7")
        await session.asave()
        await session.acycle_key()
        other = SessionStore()
        await other.aset("_auth_user_id", "7")
        await other.asave()
        found = await afor_user(user, current=session)
        assert [info.current for info in found] == [True, False]
        assert await alogout(user, found[1].id)
        assert not await other.aexists(other.session_key)
        assert await alogout_everywhere(user) == 1
        assert not await session.aexists(session.session_key)
        await adisconnect()

    asyncio.run(live())


def test_a_session_that_nobody_read_ends_like_any_other(user: User, face, told) -> None:
    """A flush before the first read, and a delete by id: out of the index and announced, whose it was is read in the
    same trip."""
    flushed, deleted = login(7), login(7)
    handles = [str(handle_of(flushed)), str(handle_of(deleted))]
    SessionStore(flushed.session_key).flush()
    with trace.record() as log:
        face(SessionStore().delete, deleted.session_key)
    assert log.trips == 3  # whose it is, and its end; the index; the news for open websockets
    assert told == [("7", handle) for handle in handles]
    assert not ids(user)


@pytest.mark.permanent_keys("redis_patterns:sessions:*")
def test_what_is_no_session_of_ours_ends_all_the_same(bare_redis, told) -> None:
    """A key that is no hash, and one whose user cannot be read: gone, and nobody is told."""
    ids = [get_random_string(32, VALID_KEY_CHARS) for _ in range(2)]
    text, unreadable = (str(Handle.of(id).key) for id in ids)
    bare_redis.set(text, "not a hash")
    bare_redis.hset(unreadable, "._auth_user_id", "not a format")
    for id in ids:
        SessionStore(id).delete(id)
    assert bare_redis.exists(text, unreadable) == 0
    assert not told
