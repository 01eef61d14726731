"""Run by `test_django_suite` in a process of its own: Django's cache tests over our backend.

Usage: python django_own_suite.py FOLDER_WITH_DJANGOS_TESTS CONNECTION_AS_JSON SHARDS

Most of the tests sleep, so each case is run by SHARDS children side by side, each on a database of its own.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable

import django
from django.conf import settings
from django.test.runner import DiscoverRunner

tests, connection, shards = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
sys.path.insert(0, tests)
settings.configure(
    SECRET_KEY="tests only",
    USE_TZ=False,
    DATABASES={name: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"} for name in ("default", "other")},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "cache", "django_redis_patterns"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    ROOT_URLCONF="urls",
    REDIS_PATTERNS={"CONNECTIONS": {"default": connection}},
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
    """Every so manieth test of a case."""

    def __init__(self, case: type, shard: int) -> None:
        super().__init__(verbosity=1, interactive=False)
        self._case, self._shard = case, shard

    def build_suite(self, *args: object, **kwargs: object) -> object:
        every = list(self.test_loader.loadTestsFromTestCase(self._case))
        return self.test_suite(every[self._shard :: shards])


def run(case: type, shard: int, database: int) -> bool:
    """Run one part; returns whether it went well."""
    connection["DB"] = database
    failures = Runner(case, shard).run_tests([])
    loop.run(adisconnect())
    return not failures


def begin(case: type, shard: int, database: int) -> tuple[int, int]:
    """Begin one part in a child; returns its id, and the file that holds what it says."""
    said, path = tempfile.mkstemp()
    os.unlink(path)
    child = os.fork()
    if child:
        return child, said
    os.dup2(said, 1)
    os.dup2(said, 2)
    is_well = False
    try:
        is_well = run(case, shard, database)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(not is_well)


parts = [(case, shard) for case in (Sync, Async) for shard in range(shards)]
children = [begin(*part, database) for database, part in enumerate(parts, start=1)]
codes = [os.waitpid(child, 0)[1] for child, _ in children]
for (case, shard), (_, said), code in zip(parts, children, codes, strict=True):
    print(f"{case.__name__} {shard}: {'failed' if code else 'went well'}", os.pread(said, 1_000_000, 0).decode())
sys.exit(any(codes))
