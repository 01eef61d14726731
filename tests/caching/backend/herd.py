"""Run by `test_cold` in processes of their own: threads that all want one value which nobody has.

Usage: python herd.py THREADS SECONDS LEASE
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings

settings.configure(
    SECRET_KEY="for the tests only",
    REDIS_PATTERNS={"CONNECTIONS": {"default": json.loads(os.environ["TEST_REDIS_CONNECTION"])}},
)

from django_redis_patterns.caching import RedisCache  # noqa: E402

threads, seconds, lease = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
cache = RedisCache("", {"OPTIONS": {"CONNECTION": "default", "LEASE": lease}})


def compute() -> str:
    cache.incr("calls", ignore_key_check=True)
    time.sleep(seconds)
    return f"computed by {os.getpid()}"


def ask(_: int) -> str:
    return str(cache.get_or_set("cold", compute, 60))


print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(threads) as pool:
    print(json.dumps(sorted(set(pool.map(ask, range(threads))))))
