"""``{% load realtime %}``: the browser's side of real-time without a line of JavaScript."""

from typing import Any

from django import template
from django.template.context import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from django_redis_patterns.realtime.topics import declared

register = template.Library()

OWN = "user"


@register.simple_tag(takes_context=True)
def realtime_script(context: Context, url: str = "/ws/notifications/") -> SafeString:
    """Load the client, which opens one websocket to *url*. Carries the page's CSP nonce, if there is one."""
    src, nonce = static("django_redis_patterns/realtime.js"), _nonce(context)
    if nonce is None:
        return format_html('<script src="{}" data-url="{}" defer></script>', src, url)
    return format_html('<script src="{}" data-url="{}" nonce="{}" defer></script>', src, url, nonce)


@register.simple_tag
def realtime(topic: str, on: str) -> SafeString:
    """Render an element that fires the DOM event *on*, which bubbles, for every event of *topic*.

    *topic* is a name, a `Topic`, or "user" for whoever is logged in. Raises `UnknownTopic`.
    """
    name = topic if topic == OWN else declared(getattr(topic, "name", topic)).name
    return format_html('<realtime-topic topic="{}" on="{}" hidden></realtime-topic>', name, on)


def _nonce(context: Context) -> Any:
    """Return Django's nonce (6.0 and later) or django-csp's. Not yet written out, they are falsy."""
    return context.get("csp_nonce", getattr(context.get("request"), "csp_nonce", None))
