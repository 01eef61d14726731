"""No password in anything that people, logs or error reports get to see."""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import RequestFactory, override_settings
from django.views.debug import ExceptionReporter, get_default_exception_reporter_filter, technical_500_response

from django_redis_patterns.checks.ground import REPORTER_FILTER
from django_redis_patterns.conf import Connection, settings
from django_redis_patterns.core.connections import client
from django_redis_patterns.core.connections.options import resolve, target
from django_redis_patterns.core.subscriber import subscriber
from django_redis_patterns.exceptions import InvalidConfiguration, RedisPatternsError, without_secrets
from django_redis_patterns.leaderboards import Leaderboard
from django_redis_patterns.testing.servers import RedisServer, free_port
from tests.core.desks import Ear

CANARY = "canary-in-the-mine"
urlpatterns: list[Any] = []
DJANGOS = "django.views.debug.SafeExceptionReporterFilter"


@pytest.fixture(scope="module")
def refusing() -> Iterator[RedisServer]:
    """Wants another password."""
    with RedisServer(options=["--requirepass", "another"]) as server:
        yield server


@pytest.fixture
def connections(refusing: RedisServer, tmp_path: Path) -> Iterator[list[str]]:
    """A password in every place where one may stand: of a server that refuses it, and of nobody."""
    file, gone = tmp_path / "password", free_port()
    file.write_text(f"{CANARY}\n")
    there = {"HOST": "127.0.0.1", "PORT": refusing.port}
    behind = {"SERVICE": "x", "SENTINEL_PASSWORD": CANARY}
    given = {
        "default": f"redis://:{CANARY}@127.0.0.1:{refusing.port}/0",
        "parts": {**there, "PASSWORD": CANARY},
        "file": {**there, "PASSWORD_FILE": str(file)},
        "query": f"redis://127.0.0.1:{refusing.port}/0?password={CANARY}",
        "gone": f"redis://someone:{CANARY}@127.0.0.1:{gone}/0",
        "cluster": {"CLUSTER": [f"redis://:{CANARY}@127.0.0.1:{gone}"]},
        "cache": {"CACHE": "default"},
        "sentinels": {"SENTINELS": [f"127.0.0.1:{gone}"], **behind, "PASSWORD": CANARY},
        "sentinel": {"SENTINELS": [f"127.0.0.1:{refusing.port}"], **behind},
    }
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"redis://:{CANARY}@127.0.0.1:{refusing.port}/3"}
    layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer"}
    with override_settings(
        REDIS_PATTERNS={"CONNECTIONS": given},
        CACHES={"default": cache},
        CHANNEL_LAYERS={"default": {**layer, "CONFIG": {"hosts": [f"redis://:{CANARY}@127.0.0.1:{gone}"]}}},
    ):
        yield list(given)


@pytest.fixture(params=[REPORTER_FILTER, DJANGOS])
def reporter(request: pytest.FixtureRequest) -> Iterator[str]:
    with override_settings(DEFAULT_EXCEPTION_REPORTER_FILTER=request.param, ROOT_URLCONF=__name__):
        get_default_exception_reporter_filter.cache_clear()
        yield request.param
    get_default_exception_reporter_filter.cache_clear()


def test_doctor_and_check(connections: list[str]) -> None:
    """They say what is wrong with each connection, and not its password."""
    for args in (["redis", "doctor", "--acl"], ["redis", "doctor", "--json"], ["check"]):
        out = StringIO()
        with pytest.raises(SystemExit) if args[0] == "redis" else nullcontext():
            call_command(*args, stdout=out, stderr=out)
        assert CANARY not in out.getvalue()
        assert args[0] == "check" or "'sentinels'" in out.getvalue()


def test_reprs_and_errors(connections: list[str]) -> None:
    """Of settings, targets, clients and pools; of what they raise, with all of its causes."""
    shown = [repr(settings())]
    for alias in connections:
        shown.append(repr(target(alias)))
        try:
            shown += [repr(client(alias)), repr(client(alias).connection_pool)]
        except Exception as error:
            shown.append("".join(traceback.format_exception(error)))
        with pytest.raises(RedisPatternsError) as caught:
            Leaderboard("x", connection=alias).count()
        shown += [repr(caught.value), "".join(traceback.format_exception(caught.value))]
    assert not [text for text in shown if CANARY in text]


def test_logs(connections: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """Of the subscriber, which tells of every outage; redis-py's too."""
    caplog.set_level(logging.DEBUG)
    for alias in ("default", "gone"):
        with pytest.raises(RedisPatternsError) as caught:
            subscriber(alias).subscribe("news", Ear(), wait=0.5)
        assert CANARY not in str(caught.value)
    assert "'default'" in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize("debug", [True, False])
def test_the_debug_page_and_the_mail(connections: list[str], reporter: str, debug: bool, settings: Any) -> None:
    """Neither in settings nor in the variables of any frame, if the site uses our filter; Django's own shows it."""
    settings.DEBUG = debug
    request = RequestFactory().get("/", REDIS_URL=f"redis://:{CANARY}@127.0.0.1:1")
    for alias in connections:
        try:
            Leaderboard("x", connection=alias).count()
        except RedisPatternsError:
            kind, error, trace = sys.exc_info()
        report = ExceptionReporter(request, kind, error, trace, is_email=not debug)
        page = technical_500_response(request, kind, error, trace).content.decode()  # type: ignore[arg-type]
        for text in (page, report.get_traceback_text(), report.get_traceback_html()):
            assert (CANARY in text) is (reporter == DJANGOS)
            assert "REDIS_PATTERNS" in text


def test_other_variables_are_shown(reporter: str) -> None:
    """As they are, with a debugging page's usual detail."""
    useful = {"answer": [42]}
    try:
        raise ValueError(useful)
    except ValueError:
        page = technical_500_response(RequestFactory().get("/"), *sys.exc_info()).content.decode()  # type: ignore[arg-type]
    assert "{&#x27;answer&#x27;: [42]}" in page


def test_a_check_says_so(connections: list[str]) -> None:
    """When mails to the admins would show it, and says what to write."""
    for debug, reporter, count in ((False, DJANGOS, 3), (False, REPORTER_FILTER, 0), (True, DJANGOS, 0)):
        with override_settings(DEBUG=debug, DEFAULT_EXCEPTION_REPORTER_FILTER=reporter):
            found = [one for one in run_checks(tags=["redis_patterns"]) if one.id == "redis_patterns.W002"]
        assert len(found) == count
        assert all(REPORTER_FILTER in (one.hint or "") and CANARY not in str(one) for one in found)


@pytest.mark.parametrize("special", "/?#[]@:%")
def test_an_address_that_cannot_be_read(special: str) -> None:
    """Is not quoted: a password that is not encoded looks like a port, a path or a host."""
    url = f"redis://someone:canary{special}{special}canary@127.0.0.1:6379/0"
    for given in (url, url.replace("redis://", "http://"), url.partition("//")[2]):
        told = ""
        try:
            resolve("x", Connection(url=given))
        except InvalidConfiguration as error:
            told = "".join(traceback.format_exception(error))
        assert "canary" not in told
    assert resolve("x", Connection(url=f"redis://:{quote(special, safe='')}@h")).options["password"] == special


def test_an_address_in_the_wrong_place() -> None:
    """Is quoted without its login."""
    url = f"redis://:{CANARY}@127.0.0.1:6379"
    behind = {"SENTINELS": [url], "SERVICE": "x"}
    for given in ({"SESSIONS": {"CONNECTION": url}}, {"CONNECTIONS": {"default": behind}}):
        with override_settings(REDIS_PATTERNS=given):
            (found,) = [one for one in run_checks(tags=["redis_patterns"]) if one.id == "redis_patterns.E001"]
        assert CANARY not in str(found)
        assert "redis://***@127.0.0.1:6379" in str(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://:pass@host:1/0", "redis://***@host:1/0"),
        ("at rediss://a:p/a#s?s@host!", "at rediss://***@host!"),
        ("unix://:pass@/run/redis.sock", "unix://***@/run/redis.sock"),
        ("redis://host?db=1&password=pass&x=y", "redis://host?db=1&password=***&x=y"),
        ("{'redis://:a@b', 'redis://:c@d'}", "{'redis://***@b', 'redis://***@d'}"),
        ("redis://host:1/0 and me@example.org", "redis://host:1/0 and me@example.org"),
    ],
)
def test_logins_are_masked(text: str, expected: str) -> None:
    assert without_secrets(text) == without_secrets(expected) == expected
