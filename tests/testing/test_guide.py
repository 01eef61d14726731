"""What the guide of the test kit shows is what is run: its blocks are the files of a small site's tests."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from redis.exceptions import NoPermissionError

import django_redis_patterns.testing
from django_redis_patterns.core.connections import client
from django_redis_patterns.testing.servers import find_server, has_tls

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
GUIDE = Path(django_redis_patterns.testing.__file__).with_name("README.md")

SETTINGS = """
SECRET_KEY = "for the tests only"
ROOT_URLCONF = "shop_urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_redis_patterns"]
MIDDLEWARE = ["django_redis_patterns.sessions.SessionMiddleware"]
SESSION_ENGINE = "django_redis_patterns.sessions"
"""
URLS = """
from django.http import JsonResponse
from django.urls import path

def basket(request):
    return JsonResponse(request.session.get("basket", []), safe=False)

def add(request, article):
    request.session["basket"] = [*request.session.get("basket", []), article]
    return basket(request)

urlpatterns = [path("basket/", basket), path("basket/add/<int:article>/", add)]
"""


@pytest.fixture
def guide(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with the guide's files, and a site that they test."""
    for name, text in re.findall(r"^```\w+\n# ([\w.]+)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL):
        (pytester.path / name).write_text(text)
    (pytester.path / "shop_settings.py").write_text(SETTINGS)
    (pytester.path / "shop_urls.py").write_text(URLS)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{pytester.path}")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop_settings")
    return pytester


def run(guide: pytest.Pytester, *names: str) -> pytest.RunResult:
    return guide.runpytest_subprocess("-p", "no:asyncio", "--strict-markers", "-W", "error", *names)


def test_faults_and_leaks_are_as_the_guide_says(guide):
    result = run(guide, "test_outage.py", "test_network.py", "test_leak.py")
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*Keys without a TTL were left behind: shop:visits"])


@pytest.mark.slow
@pytest.mark.cluster
def test_failovers_and_moves_are_as_the_guide_says(guide):
    run(guide, "test_failover.py", "test_cluster.py").assert_outcomes(passed=2)


@pytest.mark.skipif(not has_tls(), reason=f"{find_server()} was built without TLS")
def test_the_kit_serves_without_pytest_as_the_guide_says():
    pytest.importorskip("trustme", reason="trustme, which makes certificates, is not installed")
    [block] = re.findall(r"^```python\n(from.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    exec(f"{block}    see(REDIS_PATTERNS)", {"see": see})


def see(redis_patterns: dict[str, Any]) -> None:
    with override_settings(REDIS_PATTERNS=redis_patterns):
        assert client().set("redis_patterns:a", "1", ex=60)
        with pytest.raises(NoPermissionError):
            client().set("others:a", "1", ex=60)


def test_no_example_is_left_out(guide):
    tests = {path.name for path in guide.path.glob("test_*.py")}
    assert tests == {"test_outage.py", "test_network.py", "test_leak.py", "test_failover.py", "test_cluster.py"}
