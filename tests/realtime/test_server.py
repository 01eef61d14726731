"""End to end: a real server, real frames, a real session cookie."""

import asyncio
import contextlib
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from django_redis_patterns.realtime import notify
from django_redis_patterns.realtime.codes import Close
from django_redis_patterns.sessions import SessionStore

from .servers import BACKEND, Server, serving, session_of
from .sockets import PATIENCE, run, user


@pytest.fixture
def site() -> Iterator[None]:
    with override_settings(AUTHENTICATION_BACKENDS=[BACKEND], ALLOWED_HOSTS=["127.0.0.1"]):
        yield


def browser(server: Server, session: SessionStore | None = None, origin: str = "http://127.0.0.1") -> Any:
    cookie = {"Cookie": f"sessionid={session.session_key}"} if session else {}
    return connect(server.url, origin=origin, additional_headers=cookie, compression=None)  # type: ignore[arg-type]


async def hear(end: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(await asyncio.wait_for(end.recv(), PATIENCE))
    return frame


async def code(end: ClientConnection) -> int:
    """Return the code that the server closes with."""
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ConnectionClosed):
            async for _ in end:
                pass
    assert end.close_code is not None
    return end.close_code


def test_from_cookie_to_logout(site: None) -> None:
    """The cookie says who it is, `notify` reaches them on two servers, their logout ends both sockets."""
    session = session_of(user(7))

    async def main(one: Server, two: Server) -> None:
        async with browser(one, session) as here, browser(two, session) as there:
            assert (await hear(here))["topic"] == (await hear(there))["topic"] == "user.7"
            await asyncio.to_thread(notify, user(7), "order.created", {"id": 7}, now=True)
            event = {"kind": "event", "topic": "user.7", "type": "order.created", "data": {"id": 7}}
            assert (await hear(here), await hear(there)) == (event, event)
            await session.aflush()
            codes = await asyncio.wait_for(asyncio.gather(code(here), code(there)), 10)  # a look would take minutes
            assert codes == [Close.LOGGED_OUT] * 2

    with serving() as one, serving() as two:
        run(main(one, two))


def test_who_is_refused_sees_why(site: None) -> None:
    """No cookie, an ended session, a foreign page: each has its code on the wire."""
    session, ended = session_of(user()), session_of(user())
    ended_key = SessionStore(ended.session_key)
    ended.delete()

    async def main(server: Server) -> list[int]:
        codes = []
        for who, origin in [(None, "http://127.0.0.1"), (ended_key, "http://127.0.0.1"), (session, "http://evil")]:
            async with browser(server, who, origin) as end:
                codes.append(await code(end))
        return codes

    with serving() as server:
        assert run(main(server)) == [4401, 4401, 4403]


def test_a_frame_too_big(site: None) -> None:
    """The client is told, before the server's own limit is reached."""
    session = session_of(user())

    async def main(server: Server) -> int:
        async with browser(server, session) as end:
            await end.send("x" * 20_000)
            return await code(end)

    with serving() as server:
        assert run(main(server)) == Close.FRAME_TOO_BIG


def test_a_client_that_does_not_read(site: None) -> None:
    """The server's backpressure fills the outbox; that client is closed, and the others hear all the time."""
    slow, quick = session_of(user(7)), session_of(user(8))
    noise = random.Random(1).randbytes(30_000).hex()

    async def main(server: Server) -> None:
        async with browser(server, slow) as asleep, browser(server, quick) as awake:
            await hear(awake)
            for n in range(400):
                await asyncio.to_thread(notify, [user(7), user(8)], "noise", [n, noise], now=True)
                assert (await hear(awake))["data"][0] == n
            assert await code(asleep) == Close.SLOW

    with serving() as server:
        run(main(server))
