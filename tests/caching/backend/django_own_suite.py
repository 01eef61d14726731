"""Run by `test_django_suite` in a process of its own: Django's cache tests over our backend.

Usage: python django_own_suite.py FOLDER_WITH_DJANGOS_TESTS CONNECTION_AS_JSON CASE SHARD SHARDS
"""

import asyncio
import json
import sys
from collections.abc import Callable

import django
from django.conf import settings
from django.test.runner import DiscoverRunner

tests, connection, case, shard, shards = sys.argv[1:]
sys.path.insert(0, tests)
settings.configure(
    SECRET_KEY="tests only",
    USE_TZ=False,
    DATABASES={name: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"} for name in ("default", "other")},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "cache", "django_redis_patterns"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    ROOT_URLCONF="urls",
    REDIS_PATTERNS={"CONNECTIONS": {"default": json.loads(connection)}},
)
django.setup()

import cache.tests as theirs  # noqa: E402
from django.core.cache import caches  # noqa: E402
from django.db.models import QuerySet  # noqa: E402
from django.test import TestCase, override_settings  # noqa: E402

from django_redis_patterns.caching import RedisCache  # noqa: E402
from django_redis_patterns.core.connections import adisconnect  # noqa: E402

AWAITED = ("add", "clear", "decr", "decr_version", "delete", "delete_many", "get", "get_many", "get_or_set", "has_key")
AWAITED += ("incr", "incr_version", "set", "set_many", "touch")
loop = asyncio.Runner()


class Awaited(RedisCache):
    """Each of Django's sync methods awaits its async twin."""


def awaiting(name: str) -> Callable[..., object]:
    """A QuerySet asks the database when it is pickled, which it may not on a loop: who awaits evaluates it before."""

    def call(self: Awaited, *args: object, **kwargs: object) -> object:
        [bool(value) for value in args if isinstance(value, QuerySet)]
        return loop.run(getattr(self, f"a{name}")(*args, **kwargs))

    return call


for name in AWAITED:
    setattr(Awaited, name, awaiting(name))


def on(backend: str) -> override_settings:
    base = {"BACKEND": backend, "OPTIONS": {"CONNECTION": "default"}}
    every = theirs.caches_setting_for_tests(base=base, exclude=theirs.redis_excluded_caches)
    return override_settings(CACHES=every, USE_TZ=False)


@on("django_redis_patterns.caching.RedisCache")
class Sync(theirs.BaseCacheTests, TestCase):
    """The sync methods."""

    def tearDown(self) -> None:
        """Clear every cache: the tests clear one, and count on that to empty the others."""
        for cache in caches.all():
            cache.clear()


@on("__main__.Awaited")
class Async(Sync):
    """The async ones, by the same tests: Django has its own for its dummy cache only."""


class Runner(DiscoverRunner):
    """Every so manieth test: many of them do nothing but sleep."""

    def build_suite(self, *args: object, **kwargs: object) -> object:
        every = self.test_loader.loadTestsFromTestCase({"sync": Sync, "async": Async}[case])
        return self.test_suite(list(every)[int(shard) :: int(shards)])


failures = Runner(verbosity=1, interactive=False).run_tests([])
loop.run(adisconnect())
loop.close()
sys.exit(bool(failures))
