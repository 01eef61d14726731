"""Run by `test_django_own_suite` in a process of its own: Django's session tests over our engine and middleware.

Usage: python django_own_suite.py FOLDER_WITH_DJANGOS_TESTS REDIS_URL
"""

import sys

import django
from django.conf import settings
from django.test.runner import DiscoverRunner

tests, redis_url = sys.argv[1:]
sys.path.insert(0, tests)
settings.configure(
    SECRET_KEY="tests only",
    USE_TZ=False,
    DATABASES={name: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"} for name in ("default", "other")},
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django.contrib.sessions",
        "django.contrib.sites",
        "sessions_tests",
        "django_redis_patterns",
    ],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    SITE_ID=1,
    ROOT_URLCONF="urls",
    REDIS_PATTERNS={"CONNECTIONS": {"default": redis_url}},
)
django.setup()

import sessions_tests.tests as theirs  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.test import SimpleTestCase, override_settings  # noqa: E402

from django_redis_patterns.sessions import SessionMiddleware, SessionStore  # noqa: E402


class Store(theirs.SessionTestsMixin, SimpleTestCase):
    backend = SessionStore


class Middleware(theirs.SessionMiddlewareTests):
    def test_empty_session_saved(self) -> None:
        """Django's own reads the rows of its `Session` model here; the same is asserted of our store."""

        def view(request: HttpRequest) -> HttpResponse:
            request.session["foo"] = "bar"
            return HttpResponse("Session test")

        request = self.request_factory.get("/")
        middleware = theirs.SessionMiddleware(view)
        response = middleware(request)
        assert tuple(request.session.items()) == (("foo", "bar"),)
        del request.session["foo"]
        response = middleware.process_response(request, HttpResponse("Session test"))
        assert dict(request.session.items()) == {}
        assert dict(SessionStore(request.session.session_key).items()) == {}
        assert SessionStore().exists(request.session.session_key)
        assert f"Set-Cookie: sessionid={request.session.session_key}" in str(response.cookies)
        assert response.headers["Vary"] == "Cookie"


@override_settings(SESSION_ENGINE="django_redis_patterns.sessions")
class StockMiddleware(Middleware):
    """Django's own middleware over our store."""


@override_settings(SESSION_ENGINE="django_redis_patterns.sessions")
class OurMiddleware(Middleware):
    """Our middleware over our store."""

    def setUp(self) -> None:
        stock, theirs.SessionMiddleware = theirs.SessionMiddleware, SessionMiddleware
        self.addCleanup(setattr, theirs, "SessionMiddleware", stock)


class Runner(DiscoverRunner):
    def build_suite(self, *args: object, **kwargs: object) -> object:
        suite = self.test_suite()
        for case in (Store, StockMiddleware, OurMiddleware):
            suite.addTests(self.test_loader.loadTestsFromTestCase(case))
        return suite


sys.exit(bool(Runner(verbosity=1, interactive=False).run_tests([])))
