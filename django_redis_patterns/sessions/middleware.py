"""Django's session middleware, native under ASGI, and honest when Redis is away."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import cast

from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.http import http_date

from django_redis_patterns.conf import settings
from django_redis_patterns.core.client_ip import client_ip
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import RedisUnavailable

from .header import agent_name
from .store import SessionStore

logger = logging.getLogger("django_redis_patterns.sessions")

RETRY_AFTER_SECONDS = 5
PLAIN_503 = "<!doctype html><title>Service unavailable</title><p>Please try again in a moment. You are still logged in."


class SessionMiddleware(DjangoSessionMiddleware):
    """Instead of Django's. An untouched session costs no command and, under ASGI, no thread hop.

    With Redis away the answer is 503 (your ``503.html``, or one line) and the cookie stays as it is, whoever asked
    for the session. A touch that fails is logged; changed data that cannot be saved is a 503.
    """

    @property
    def connection(self) -> str:
        """The alias of the connection that holds sessions."""
        return settings().sessions.connection

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        self.process_request(request)
        response = await self.get_response(request)  # type: ignore[misc]
        return await self.aprocess_response(request, response)

    def process_request(self, request: HttpRequest) -> None:
        """Give the request its session, unread."""
        super().process_request(request)
        agent = agent_name(request.META.get("HTTP_USER_AGENT", ""))
        if isinstance(request.session, SessionStore):
            request.session.device = (client_ip(request) or "", agent)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 when a view or a template asked for the session and Redis was away."""
        failure = getattr(request.session, "failure", None)
        return _unavailable() if exception is failure else None

    async def _process_response(self, io: IO, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Save the session if there is something to save, and set or delete its cookie."""
        session = getattr(request, "session", None)
        if not isinstance(session, SessionStore):  # another engine, or another middleware answered first
            return await self._theirs(io, request, response) if session is not None else response
        if session.failure is not None:
            return _unavailable() if response.status_code >= 500 else response
        if _is_gone(request):
            _delete_cookie(response)
        elif (session.modified or django_settings.SESSION_SAVE_EVERY_REQUEST) and not session.is_empty():
            if response.status_code < 500:
                return await self._save(io, request, response)
        elif session.is_due_for_touch() and response.status_code < 500:
            await _logged(session._touch(io))
        if session.accessed:
            patch_vary_headers(response, ("Cookie",))
        return response

    process_response, aprocess_response = both(_process_response)  # type: ignore[assignment]

    async def _theirs(self, io: IO, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        process: Callable[..., HttpResponseBase] = DjangoSessionMiddleware.process_response
        return cast(HttpResponseBase, await io.call(process, self, request, response))

    async def _save(self, io: IO, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        session = cast(SessionStore, request.session)
        is_changed = session.changed
        try:
            await session._save(io)
        except UpdateError:
            raise SessionInterrupted(
                "The request's session was deleted before the request completed. "
                "The user may have logged out in a concurrent request, for example."
            ) from None
        except RedisUnavailable as error:
            if is_changed:
                return _unavailable()
            logger.warning("A session could not be prolonged: %s", error)
        _set_cookie(response, session)
        patch_vary_headers(response, ("Cookie",))
        return response


def _is_gone(request: HttpRequest) -> bool:
    return django_settings.SESSION_COOKIE_NAME in request.COOKIES and request.session.is_empty()


def _delete_cookie(response: HttpResponseBase) -> None:
    response.delete_cookie(
        django_settings.SESSION_COOKIE_NAME,
        path=django_settings.SESSION_COOKIE_PATH,
        domain=django_settings.SESSION_COOKIE_DOMAIN,
        samesite=django_settings.SESSION_COOKIE_SAMESITE,
    )
    patch_vary_headers(response, ("Cookie",))


def _set_cookie(response: HttpResponseBase, session: SessionStore) -> None:
    max_age = None if session.get_expire_at_browser_close() else session.get_expiry_age()
    response.set_cookie(
        django_settings.SESSION_COOKIE_NAME,
        session.session_key or "",
        max_age=max_age,
        expires=None if max_age is None else http_date(time.time() + max_age),
        domain=django_settings.SESSION_COOKIE_DOMAIN,
        path=django_settings.SESSION_COOKIE_PATH,
        secure=django_settings.SESSION_COOKIE_SECURE,
        httponly=django_settings.SESSION_COOKIE_HTTPONLY,
        samesite=django_settings.SESSION_COOKIE_SAMESITE,
    )


async def _logged(touch: Awaitable[None]) -> None:
    try:
        await touch
    except RedisUnavailable as error:
        logger.warning("When a session was last seen could not be noted: %s", error)


def _unavailable() -> HttpResponse:
    """Return the 503; it renders without the request, since the request's session is what is missing."""
    try:
        page: str = render_to_string("503.html")
    except TemplateDoesNotExist:
        page = PLAIN_503
    return HttpResponse(page, status=503, headers={"Retry-After": RETRY_AFTER_SECONDS, "Cache-Control": "no-store"})
