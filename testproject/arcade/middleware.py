"""The panel "What Redis was told" at the foot of every page."""

from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from django_redis_patterns.core import trace

PLACEHOLDER = b"<!--redis-told-->"


class ToldMiddleware:
    """Listen to a whole request, session included, and write what was heard where the page left a place for it.

    ``request.told`` is what was heard so far. Stands outside the session middleware, which speaks to Redis after the
    view. Native async; no thread hop.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.__acall__(request)
        with trace.record() as log:
            request.told = log
            response = cast(HttpResponseBase, self.get_response(request))
        return told(response, log)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        with trace.record() as log:
            request.told = log
            response = await cast(Awaitable[HttpResponseBase], self.get_response(request))
        return told(response, log)


def told(response: HttpResponseBase, log: trace.Log) -> HttpResponseBase:
    """Put the panel in the place that an HTML page keeps for it; leave every other response alone."""
    if not isinstance(response, HttpResponse) or PLACEHOLDER not in response.content:
        return response
    panel = render_to_string("arcade/told.html", {"log": log, "ms": sum(told.ms for told in log.commands)})
    response.content = response.content.replace(PLACEHOLDER, panel.encode(response.charset), 1)
    if response.has_header("Content-Length"):
        response.headers["Content-Length"] = str(len(response.content))
    return response
