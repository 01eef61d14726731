"""``{% load realtime %}``."""

from typing import Any

import pytest
from django.http import HttpRequest
from django.template import Context, Engine
from django.test import override_settings
from django.utils.functional import SimpleLazyObject

from django_redis_patterns.exceptions import UnknownTopic

from .sockets import OpenTopic

ENGINE = Engine(libraries={"realtime": "django_redis_patterns.templatetags.realtime"})


def render(text: str, **context: Any) -> str:
    with override_settings(STATIC_URL="/static/"):
        return ENGINE.from_string("{% load realtime %}" + text).render(Context(context))


def test_the_script() -> None:
    """One script element with the address of the socket."""
    assert render("{% realtime_script %}") == (
        '<script src="/static/django_redis_patterns/realtime.js" data-url="/ws/notifications/" defer></script>'
    )
    assert 'data-url="/ws/&quot;"' in render("{% realtime_script url=url %}", url='/ws/"')


def test_the_nonce() -> None:
    """The page's CSP nonce is used, Django's or django-csp's, though nobody has looked at it before."""

    class Lazy(SimpleLazyObject):
        def __bool__(self) -> bool:
            return False  # until it was written out

    request: Any = HttpRequest()
    request.csp_nonce = Lazy(lambda: "from-request")
    assert ' nonce="from-context" ' in render("{% realtime_script %}", csp_nonce=Lazy(lambda: "from-context"))
    assert ' nonce="from-request" ' in render("{% realtime_script %}", request=request)
    assert "nonce" not in render("{% realtime_script %}", request=HttpRequest())


@pytest.mark.parametrize(
    ("topic", "name"), [("door.open.a", "door.open.a"), (OpenTopic(name="a"), "door.open.a"), ("user", "user")]
)
def test_an_element(topic: Any, name: str) -> None:
    """An element names a topic and the DOM event that tells of it."""
    expected = f'<realtime-topic topic="{name}" on="door-changed" hidden></realtime-topic>'
    assert render('{% realtime topic on="door-changed" %}', topic=topic) == expected


def test_an_unknown_topic() -> None:
    """A topic that no class declares is a mistake in the page, and says so."""
    with pytest.raises(UnknownTopic):
        render('{% realtime "nobody.declares.this" on="x" %}')


def test_markup_is_escaped() -> None:
    """Nothing in a name ends the attribute."""
    assert 'on="&quot;&gt;"' in render('{% realtime "user" on=on %}', on='">')
