"""The middleware: all rules of a request, decided once, when its view is known and before it runs."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from .decorators import rules_on
from .enforcement import aenforce, asettle, enforce, settle
from .keys import auser_of
from .request_rules import RequestRule, every_declared
from .responses import annotate, refusal
from .verdict import verdict_of

View = Callable[..., Any]


class RateLimitMiddleware:
    """``MIDDLEWARE = [..., "django_redis_patterns.ratelimit.RateLimitMiddleware"]``, best right after the session's.

    Decides the rules of the settings that match, those of `ratelimit` on the view, and those of its DRF throttles that
    need no user, in one trip; for what meets no view, such as a 404, those of the settings once it is answered. Refuses
    with a 429, and tells every limited answer what is left. ``request.ratelimit`` is the `Verdict`. Native under ASGI,
    without a thread hop.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)
            self.process_view = self.aprocess_view  # type: ignore[assignment,method-assign]  # no thread hop

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.__acall__(request)
        with verdict_of(request).answering():
            response = cast(HttpResponseBase, self.get_response(request))
        enforce(request, _without_a_view(request))
        settle(request, response)
        return _told(request, response)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        with verdict_of(request).answering():
            response = await cast(Awaitable[HttpResponseBase], self.get_response(request))
        await aenforce(request, _without_a_view(request), auser_of)
        await asettle(request, response)
        return _told(request, response)

    def process_view(self, request: HttpRequest, view: View, args: Any, kwargs: Any) -> HttpResponse | None:
        """Refuse what is over a limit."""
        verdict = enforce(request, list(rules_of(request, view)))
        return None if verdict else refusal(request, verdict.decisions)

    async def aprocess_view(self, request: HttpRequest, view: View, args: Any, kwargs: Any) -> HttpResponse | None:
        """Refuse what is over a limit, on the event loop."""
        verdict = await aenforce(request, list(rules_of(request, view)), auser_of)
        return None if verdict else refusal(request, verdict.decisions)


def _told(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    verdict = verdict_of(request)
    if request.resolver_match is None and not verdict:
        response = refusal(request, verdict.decisions)
    elif verdict.refusals and response.status_code < 500:
        response = refusal(request, verdict.refusals)
    annotate(request, response, [*verdict.decisions, *verdict.refusals])
    return response


def rules_of(request: HttpRequest, view: View) -> Iterator[RequestRule]:
    """Yield the rules of *request*: of the settings, of its view, of the method of a class, of DRF throttles."""
    yield from _of_settings()
    yield from rules_on(view)
    cls = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if cls is not None:
        yield from rules_on(_method(request, view, cls))
        yield from _of_throttles(view, cls)


def _of_settings() -> Iterator[RequestRule]:
    return (rule for rule in every_declared().values() if rule.match)


def _without_a_view(request: HttpRequest) -> Iterable[RequestRule]:
    """Return the rules of *request* if it met no view that they were decided before: no route, or a redirect to one."""
    return _of_settings() if request.resolver_match is None else ()


def _of_throttles(view: Any, cls: Any) -> Iterator[RequestRule]:
    """Yield the rules of DRF throttles of ours, but for those that must wait until DRF knows the user.

    A class that chooses them by the request waits as well.
    """
    if getattr(getattr(cls, "get_throttles", None), "__module__", "") != "rest_framework.views":
        return
    of_action = getattr(view, "initkwargs", {})
    for throttle in of_action.get("throttle_classes", cls.throttle_classes):
        if hasattr(throttle, "request_rule") and not (rule := throttle.request_rule()).asks_for_user:
            yield rule


def _method(request: HttpRequest, view: View, cls: type) -> Any:
    """Return the method of *cls* that will answer, by the action that DRF maps to it if there is one."""
    verb = (request.method or "").lower()
    if verb == "head" and not hasattr(cls, "head"):
        verb = "get"
    actions = getattr(view, "actions", None) or {}
    return getattr(cls, actions.get(verb, verb), None)
