"""Who may not come in, and whom we do not believe: always told, and never mistaken for an outage."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import RedisDenied, RedisUnavailable
from django_redis_patterns.testing.acl import User
from django_redis_patterns.testing.fixtures import Face
from django_redis_patterns.testing.servers import RedisServer, has_tls
from django_redis_patterns.testing.tls import Authority
from tests.core.desks import connected
from tests.core.examples import Shelf

pytestmark = pytest.mark.permanent_keys("*")
shelf = Shelf()


@pytest.fixture
def authority() -> Iterator[Authority]:
    if not has_tls():
        pytest.skip("this server was built without TLS")
    authority = Authority()
    yield authority
    authority.close()


@pytest.fixture
def secured(authority: Authority) -> Iterator[RedisServer]:
    with RedisServer(tls=authority) as server:
        yield server


@pytest.fixture
def stranger(authority: Authority) -> Iterator[Authority]:
    other = Authority()
    yield other
    other.close()


@pytest.fixture
def trusting(secured: RedisServer, authority: Authority) -> Iterator[None]:
    with connected(URL=secured.url, CA_FILE=authority.ca_file):
        yield


@pytest.fixture
def mistrusting(secured: RedisServer, stranger: Authority) -> Iterator[None]:
    with connected(URL=secured.url, CA_FILE=stranger.ca_file):
        yield


def test_tls(trusting: None, face: Face) -> None:
    """A server whose certificate is of the named authority is served as any other."""
    assert face(shelf.put, "a", "1") is True
    assert face(shelf.bump, "n") == 1


def test_a_foreign_certificate(mistrusting: None, face: Face) -> None:
    """A certificate of another authority is a denial, each time, and no outage."""
    for _ in range(5):
        with pytest.raises(RedisDenied, match="CERTIFICATE_VERIFY_FAILED"):
            face(shelf.put, "a", "1")


def test_tls_to_a_server_that_speaks_plainly(redis_server: RedisServer, authority: Authority) -> None:
    """A wrong scheme is told too."""
    with (
        connected(URL=redis_server.url.replace("redis://", "rediss://"), CA_FILE=authority.ca_file),
        pytest.raises((RedisDenied, RedisUnavailable)),
    ):
        shelf.put("a", "1")


@pytest.fixture
def limited() -> Iterator[None]:
    users = {"app": User("pw", "~shelf:* +get +set")}
    with RedisServer(users=users) as server, connected(URL=server.url.replace("//", "//app:pw@")):
        yield


def test_what_one_may_not(limited: None, face: Face) -> None:
    """A foreign key and a foreign command are denials; what is allowed goes on."""
    assert face(shelf.put, "shelf:a", "1") is True
    for call in (lambda: face(shelf.put, "a", "1"), lambda: face(shelf.bump, "shelf:n")):
        with pytest.raises(RedisDenied):
            call()
    assert face(shelf.get, "shelf:a") == "1"


async def _forget_all(io: IO) -> None:
    await io.gather(*(io.redis.delete(*map(str, range(12))) for _ in range(3)))


forget_all, _ = both(_forget_all)


def test_a_pipeline_of_somebody_unknown(face: Face) -> None:
    """The server says it once, to the first of all commands, and hangs up: that answers every one of them."""
    with RedisServer() as server, server.client() as admin, connected(URL=server.url):
        face(forget_all)
        admin.acl_setuser("default", enabled=True, passwords=["+new"], reset_passwords=True)
        admin.client_kill_filter(_type="normal", skipme=True)
        with suppress(RedisUnavailable, RedisDenied):  # of the connection that was cut
            face(forget_all)
        for _ in range(3):
            with pytest.raises(RedisDenied):
                face(forget_all)


@pytest.fixture
def loading() -> Iterator[RedisServer]:
    """A server that takes longer to read what it had than any test does."""
    slow = ["--appendonly", "yes", "--key-load-delay", "50000"]
    with RedisServer(options=slow) as server:
        with server.client() as client:
            pipeline = client.pipeline(transaction=False)
            for number in range(2000):
                pipeline.set(f"k{number}", "x" * 100)
            pipeline.execute()
        server.kill()
        server._order("start")
        with connected(URL=server.url, TIMEOUT=0.5):
            yield server


def test_a_server_that_is_still_loading(loading: RedisServer, face: Face) -> None:
    """It is away, and surely ran nothing."""
    with pytest.raises(RedisUnavailable) as caught:
        face(shelf.put, "a", "1")
    assert caught.value.ambiguous is False
