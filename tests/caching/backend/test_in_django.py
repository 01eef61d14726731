"""What Django and others build on a cache runs on ours."""

import asyncio
from typing import Any

import pytest
import redis
from django.contrib.sessions.backends.cache import SessionStore as CacheOnly
from django.contrib.sessions.backends.cached_db import SessionStore as CachedDB
from django.core.cache import cache, caches
from django.core.cache.utils import make_template_fragment_key
from django.http import HttpRequest, HttpResponse
from django.template import Context, Engine
from django.test import RequestFactory
from django.views.decorators.cache import cache_page

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.core.operations import batch

OURS = "django_redis_patterns.caching.RedisCache"


@pytest.fixture(autouse=True)
def ours(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": OURS, "OPTIONS": {"CONNECTION": "default"}}}


def test_a_page(rf: RequestFactory) -> None:
    """`cache_page`: the view is called once."""
    calls: list[str] = []

    @cache_page(60)
    def view(request: HttpRequest) -> HttpResponse:
        calls.append(request.path)
        return HttpResponse("page")

    pages = [view(rf.get("/page")).content for _ in range(3)]
    assert (pages, calls) == ([b"page"] * 3, ["/page"])


def test_a_fragment() -> None:
    """`{% cache %}`: what is inside is rendered once, until its key is deleted."""
    engine = Engine(libraries={"cache": "django.templatetags.cache"})
    template = engine.from_string("{% load cache %}{% cache 60 sidebar user %}{{ text }}{% endcache %}")
    assert template.render(Context({"user": 1, "text": "one"})) == "one"
    assert template.render(Context({"user": 1, "text": "two"})) == "one"
    assert cache.delete(make_template_fragment_key("sidebar", [1]))
    assert template.render(Context({"user": 1, "text": "two"})) == "two"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("engine", [CachedDB, CacheOnly])
def test_sessions(engine: Any) -> None:
    """Django's own engines over a cache, sync and async."""
    session = engine()
    session["page"] = 1
    session.save()
    assert engine(session.session_key)["page"] == 1

    async def visit() -> Any:
        again = engine(session.session_key)
        try:
            return await again.aget("page")
        finally:
            await adisconnect()

    assert asyncio.run(visit()) == 1
    session.flush()
    assert not engine().exists(session.session_key)


def test_a_throttle_of_rest_framework(rf: RequestFactory) -> None:
    """It keeps its history in the default cache."""
    throttling = pytest.importorskip("rest_framework.throttling")

    class Throttle(throttling.SimpleRateThrottle):  # type: ignore[misc,name-defined]
        rate = "2/min"

        def get_cache_key(self, request: Any, view: Any) -> str:
            return "throttle_all"

    allowed = [Throttle().allow_request(rf.get("/"), None) for _ in range(4)]
    assert allowed == [True, True, False, False]


def test_a_batch_takes_calls_of_a_cache(one_node: None) -> None:
    """With operations of any other room, in one trip; by Django's `cache` too."""
    cache.set_many({"a": 1, "b": 2})
    with trace.record() as log, batch() as together:
        a, b, c = (together(cache.get, key) for key in "abc")
    assert ((a.value, b.value, c.value), log.trips) == ((1, 2, None), 1)


def test_a_request_ends_without_closing_what_all_share(bare_redis: redis.Redis) -> None:
    """Django closes its caches after each request; the connections stay."""
    cache.set("key", 1)
    raw = caches["default"].client.get_client()  # type: ignore[attr-defined]
    caches.close_all()
    with trace.record() as log:
        assert cache.get("key") == 1
    assert caches["default"].client.get_client() is raw  # type: ignore[attr-defined]
    assert log.trips == 1
