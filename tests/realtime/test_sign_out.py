"""Who logs out loses their sockets, on every server, and nobody else does."""

import asyncio
import threading
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.sessions.backends.cache import SessionStore as CacheSessionStore
from django.http import HttpRequest
from django.test import override_settings

from django_redis_patterns import sessions
from django_redis_patterns.core import trace
from django_redis_patterns.core.keys import digest
from django_redis_patterns.realtime import watch
from django_redis_patterns.realtime.codes import Close
from django_redis_patterns.realtime.login import Login
from django_redis_patterns.realtime.sign_out import asign_out, channel
from django_redis_patterns.realtime.transmit import channel_of

from .sockets import PATIENCE, Socket, opened, run, session_of, socket, user

FOREIGN = "django.contrib.sessions.backends.cache"
AWAY = {"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}


async def hush(ann: Socket) -> None:
    """It lives, and has heard nothing."""
    assert await ann.ask("ping") == {"kind": "pong"}
    await ann.hang_up()


def test_logout_closes_that_sessions_sockets_only() -> None:
    """Two tabs of one browser close; the same user elsewhere and another user stay."""

    async def main() -> None:
        tabs = [await opened(user(7), desk) for _ in range(2)]
        phone, bob = await opened(user(7), session_of_phone), await opened(user(8), session_of_bob)
        await desk.aflush()
        assert [await tab.closed() for tab in tabs] == [Close.LOGGED_OUT] * 2
        await asyncio.sleep(watch.AFTER[1] + 0.1)  # the phone has looked by now
        await hush(phone)
        await hush(bob)

    desk, session_of_phone, session_of_bob = session_of(user(7)), session_of(user(7)), session_of(user(8))
    desk.load()
    run(main())


def test_log_the_others_out() -> None:
    """`logout_everywhere` closes the sockets of all sessions but this one."""

    async def main() -> None:
        here, there = await opened(user(), kept), await opened(user(), other)
        await sessions.alogout_everywhere(user(), keep=kept)
        assert await there.closed() == Close.LOGGED_OUT
        await hush(here)

    kept, other = session_of(user()), session_of(user())
    run(main())


def test_a_session_that_got_a_new_id() -> None:
    """A socket knows its session by the old id: when the user logs out, it looks, and comes again."""

    async def main() -> None:
        ann = await opened(user(), opened_with)
        await now.acycle_key()
        await now.adelete()
        assert await ann.closed() == Close.COME_AGAIN

    opened_with = session_of(user())
    now = sessions.SessionStore(opened_with.session_key)
    now.load()
    run(main())


def test_ended_between_handshake_and_watch() -> None:
    """A session that ends while its socket is being opened is noticed at once: the message came too early for it."""

    async def main() -> int:
        ann = socket(user(), session)
        await sessions.SessionStore(session.session_key).adelete()
        await ann.connect()
        return await ann.closed()

    session = session_of(user())
    session.load()
    assert run(main()) == Close.LOGGED_OUT


def test_ended_while_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch comes before the look, so a session that ends right after the look is heard of."""
    holds = Login.holds

    async def ends_after_the_answer(self: Login) -> bool:
        held = await holds(self)
        if held:
            await sessions.SessionStore(session.session_key).adelete()
        return held

    async def main() -> int:
        monkeypatch.setattr(Login, "holds", ends_after_the_answer)
        ann = socket(user(), session)
        await ann.connect()
        return await ann.closed()

    session = session_of(user())
    session.load()
    assert run(main()) == Close.LOGGED_OUT


def test_ended_while_the_link_was_lost(bare_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a gap of the link every session is looked at: an end that nobody heard of is found."""
    monkeypatch.setattr(watch, "SPREAD", 0.05)

    async def main() -> None:
        ann, bob = await opened(user(7), ended), await opened(user(8), kept)
        bare_redis.delete(*bare_redis.scan_iter(f"*{digest(str(ended.session_key))}*"))
        bare_redis.client_kill_filter(_type="pubsub")
        assert await ann.closed() == Close.COME_AGAIN
        assert (await bob.next())["kind"] == "reset"
        await hush(bob)

    ended, kept = session_of(user(7)), session_of(user(8))
    run(main())


def test_what_expires_is_found(bare_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow round looks at every session; one that is gone without a word ends its sockets."""
    monkeypatch.setattr(watch, "ROUND", 0.1)
    monkeypatch.setattr(watch, "SPREAD", 0.01)

    async def main() -> int:
        ann = await opened(user(), session)
        bare_redis.flushall()
        return await ann.closed()

    session = session_of(user())
    assert run(main()) == Close.COME_AGAIN


def test_all_servers(bare_redis: redis.Redis) -> None:
    """Two servers (loops in threads of their own): a logout in a view closes the sockets of both."""
    codes: list[int] = []
    session = session_of(user())
    ready = threading.Barrier(3)

    async def serve() -> None:
        ann = await opened(user(), sessions.SessionStore(session.session_key))
        await asyncio.to_thread(ready.wait, PATIENCE)
        codes.append(await ann.closed())

    servers = [threading.Thread(target=lambda: run(serve())) for _ in range(2)]
    for server in servers:
        server.start()
    ready.wait(PATIENCE)
    session.flush()
    for server in servers:
        server.join(PATIENCE)
    assert codes == [Close.LOGGED_OUT] * 2


def request_of(session: Any) -> HttpRequest:
    request = HttpRequest()
    request.session, request.user = session, user()
    return request


def in_cache() -> CacheSessionStore:
    session: CacheSessionStore = session_of(user(), CacheSessionStore)
    return session


@override_settings(SESSION_ENGINE=FOREIGN)
@pytest.mark.django_db
def test_foreign_engines() -> None:
    """Sessions of another engine end with Django's logout, whose signal comes before the end."""

    async def main() -> None:
        ann, phone = await opened(user(), session), await opened(user(), other)
        await asyncio.to_thread(logout, request_of(session))
        assert await ann.closed() == Close.LOGGED_OUT
        await hush(phone)

    session, other = in_cache(), in_cache()
    run(main())


@pytest.mark.parametrize("engine", [FOREIGN, "django_redis_patterns.sessions"])
def test_a_logout_survives_an_outage(engine: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is kept logged in, and no error page is shown, because sockets could not be told."""
    with override_settings(SESSION_ENGINE=engine):
        session: Any = in_cache() if engine == FOREIGN else session_of(user())
        session.load()
        with override_settings(REDIS_PATTERNS={**both_aliases(), "REALTIME": {"CONNECTION": "away"}}):
            logout(request_of(session))
    assert session.session_key is None
    assert caplog.text.count("redis_patterns") == 1


def both_aliases() -> dict[str, Any]:
    here = settings.REDIS_PATTERNS["CONNECTIONS"]["default"]
    return {"CONNECTIONS": {"default": here, "away": AWAY["CONNECTIONS"]["default"]}}


def test_a_site_without_a_redis_for_realtime(caplog: pytest.LogCaptureFixture) -> None:
    """A site that keeps only its sessions in Redis, under an alias of its own, hears nothing of this room."""
    here = settings.REDIS_PATTERNS["CONNECTIONS"]["default"]
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"state": here}, "SESSIONS": {"CONNECTION": "state"}}):
        session_of(user()).flush()
    assert not caplog.records


@pytest.mark.parametrize("payload", [b"", b"x", b"7", b"{}", b'{"user":"7"}', b'{"user":7,"session":{}}', b"\xff"])
def test_what_others_publish(payload: bytes, bare_redis: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    """A message that cannot be read ends nothing, and fills no log."""

    async def main() -> None:
        ann = await opened(user(), session)
        bare_redis.publish(channel(), payload)
        await asyncio.sleep(watch.AFTER[1] + 0.1)
        await hush(ann)

    session = session_of(user())
    run(main())
    assert not caplog.records


def test_a_socket_without_a_session() -> None:
    """Who came in by something else than a session loses nothing by a logout whose session is not known."""

    async def main() -> None:
        ann = await opened(user(), None)
        await asign_out("7")
        await asyncio.sleep(watch.AFTER[1] + 0.1)
        await hush(ann)

    run(main())


def test_a_logout_is_told_in_one_trip() -> None:
    """One PUBLISH."""

    async def main() -> None:
        await asign_out("7", "digest")
        with trace.record() as log:
            await asign_out("7", "digest")
        assert (log.trips, len(log.commands)) == (1, 1)

    run(main())


def test_nobody_can_subscribe_to_it() -> None:
    """No topic's channel is the one that carries the ends of sessions."""
    for name in ("control", "control.sessions", "control}:sessions", "{control}:sessions", "control:sessions"):
        assert channel_of(name) != channel()
