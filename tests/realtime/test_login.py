"""A socket lives as long as the login that opened it: found by a look at the session and the user of now."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.sessions.backends.cache import SessionStore as CacheSessionStore
from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieSessionStore

from django_redis_patterns import sessions
from django_redis_patterns.realtime import watch
from django_redis_patterns.realtime.codes import Close
from django_redis_patterns.realtime.login import Login

from .sockets import PATIENCE, Accounts, opened, run, session_of, socket, user


class Shaky(sessions.SessionStore):
    """An engine that can be away, for all sessions or for some."""

    away: Callable[[str], bool]
    asked: list[str]

    async def aget(self, key: str, default: Any = None) -> Any:
        Shaky.asked.append(str(self.session_key))
        if Shaky.away(str(self.session_key)):
            raise OSError("away")
        return await super().aget(key, default)


@pytest.fixture(autouse=True)
def as_at_first() -> Iterator[None]:
    Shaky.away, Shaky.asked = lambda key: False, []
    yield
    Accounts.changed.clear()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ROUND", 0.05)
    monkeypatch.setattr(watch, "SPREAD", 0.01)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def new_password() -> None:
    changed = user()
    changed.password = "another"
    Accounts.changed[7] = changed


def deactivated_or_deleted() -> None:
    Accounts.changed[7] = None  # what Django's backends answer for both


def another_user(session: Any) -> None:
    session["_auth_user_id"] = "8"
    session["_auth_user_hash"] = user(8).get_session_auth_hash()
    session.save()


def emptied(session: Any) -> None:
    session.get("_auth_user_id")
    session.clear()
    session.save()


@pytest.mark.parametrize("what", [new_password, deactivated_or_deleted, another_user, emptied])
def test_a_login_that_holds_no_more(what: Callable[..., None], quick: None) -> None:
    """A round finds it, and whoever comes with it anew is refused."""
    session = session_of(user())
    again = sessions.SessionStore(session.session_key)
    assert again.get("_auth_user_id") == "7"  # as the middleware has read it

    async def main() -> list[int]:
        ann = await opened(user(), session)
        await asyncio.sleep(0.2)
        assert await ann.ask("ping") == {"kind": "pong"}
        if what in (another_user, emptied):
            await asyncio.to_thread(what, sessions.SessionStore(session.session_key))
        else:
            what()
        late = socket(user(), again)
        codes = [await ann.closed()]
        await late.connect()
        return [*codes, await late.closed()]

    ended = {Close.COME_AGAIN, Close.LOGGED_OUT}  # after the look Channels ends a session of another password
    codes = run(main())
    assert codes[0] in ended
    assert codes[1] == Close.LOGGED_OUT


def test_a_look_closes_old_database_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine may have used the ORM, and without a session nobody asks for the user, which would close them."""
    closed: list[int] = []

    async def main() -> None:
        login = await Login.of(user(), session)
        assert login is not None
        await session.aflush()
        monkeypatch.setattr("channels.db.close_old_connections", lambda: closed.append(1))
        assert not await login.holds()

    session = session_of(user())
    run(main())
    assert closed == [1]


@pytest.mark.parametrize("engine", [CacheSessionStore, CookieSessionStore])
def test_other_engines(engine: Any, quick: None, settings: Any) -> None:
    """Every engine can be asked, one that keeps nothing on the server too."""
    settings.SESSION_ENGINE = engine.__module__

    async def main() -> None:
        ann = await opened(user(), session)
        await asyncio.sleep(0.2)
        assert await ann.ask("ping") == {"kind": "pong"}
        new_password()
        assert await ann.closed() == Close.COME_AGAIN

    session = session_of(user(), engine)
    run(main())


def test_who_came_in_by_something_else(quick: None) -> None:
    """A session that did not say who they are does not end what it did not open."""

    async def main() -> None:
        ann = await opened(user(), session)
        await asyncio.sleep(0.2)
        assert await ann.ask("ping") == {"kind": "pong"}
        await ann.hang_up()

    session = sessions.SessionStore()
    session["cart"] = [1]
    session.save()
    run(main())


def test_an_engine_that_hides_its_outage(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's cache engine loads nothing while the cache is away: that is no end of a session."""

    class Away:
        def __getattr__(self, name: str) -> Any:
            raise OSError("away")

        def __contains__(self, key: str) -> bool:
            raise OSError("away")

    async def main() -> None:
        ann = await opened(user(), session)
        monkeypatch.setattr("django.contrib.sessions.backends.cache.caches", {"default": Away()})
        await asyncio.sleep(0.2)
        assert await ann.ask("ping") == {"kind": "pong"}
        await ann.hang_up()

    session = session_of(user(), CacheSessionStore)
    run(main())


def test_an_outage_says_nothing(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody can say whether sessions live, sockets stay, and a round asks for a few and not for every one."""
    rounds: list[int] = []
    look_at_all = watch.Watch._look_at_all

    async def counted(self: watch.Watch) -> bool:
        before = len(Shaky.asked)
        known = await look_at_all(self)
        rounds.append(len(Shaky.asked) - before)
        return known

    async def main() -> None:
        sockets = [await opened(user(n), session) for n, session in enumerate(live)]
        Shaky.away = lambda key: True
        monkeypatch.setattr(watch.Watch, "_look_at_all", counted)
        await until(lambda: len(rounds) > 2)
        assert rounds[-1] == watch.FAILURES
        for ann in sockets:
            assert await ann.ask("ping") == {"kind": "pong"}
            await ann.hang_up()

    live = [session_of(user(n), Shaky) for n in range(9)]
    run(main())


@pytest.mark.parametrize("how", ["gap", "message"])
def test_what_could_not_be_known_is_asked_again(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon, and until it is known: not at the next slow round."""
    monkeypatch.setattr(watch, "SPREAD", 0.01)
    monkeypatch.setattr(watch, "AGAIN", 0.02)

    async def main() -> None:
        ann = await opened(user(), session)
        Shaky.away, before = lambda key: True, len(Shaky.asked)
        if how == "gap":
            watch.watch().gap("")
        else:
            watch.watch().message("", b'{"user": "7", "session": null}')
        await until(lambda: len(Shaky.asked) > before + 3)
        deactivated_or_deleted()
        Shaky.away = lambda key: False
        assert await ann.closed() == Close.COME_AGAIN

    session = session_of(user(), Shaky)
    run(main())


@pytest.mark.parametrize(("broken", "in_order"), [(watch.FAILURES - 1, True), (watch.FAILURES, False)])
def test_a_few_that_cannot_be_known_shield_nobody(
    broken: int, in_order: bool, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions that always fail come first; the one after them is looked at all the same."""
    if in_order:
        monkeypatch.setattr(watch.random, "shuffle", lambda all: None)

    async def main() -> None:
        sockets = [await opened(user(n), session) for n, session in enumerate(live)]
        Shaky.away = lambda key: key != live[-1].session_key
        Accounts.changed[broken] = None
        assert await sockets[-1].closed() == Close.COME_AGAIN
        for ann in sockets[:-1]:
            await ann.hang_up()

    live = [session_of(user(n), Shaky) for n in range(broken + 1)]
    run(main())


def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to those between rounds."""
    pauses = [watch._pause(failures) for failures in range(5)]
    assert pauses == [watch.ROUND, 1, 2, 4, 8]
    assert watch._pause(10**6) == watch.ROUND
