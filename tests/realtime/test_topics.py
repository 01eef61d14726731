"""Topics: their patterns, their names, and who may listen."""

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser, User
from hypothesis import given
from hypothesis import strategies as st

from django_redis_patterns.exceptions import InvalidConfiguration, UnknownTopic
from django_redis_patterns.realtime import topics
from django_redis_patterns.realtime.patterns import Pattern
from django_redis_patterns.realtime.topics import Topic, UserTopic, declared, find

ID = UUID("6f3c8c0e-3b0f-4f5d-9d3c-0c7f4f3a1b2c")


@pytest.fixture(autouse=True)
def own_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test declares is gone after it."""
    monkeypatch.setattr(topics, "_declared", {UserTopic.pattern: UserTopic})


@pytest.mark.parametrize(
    ("pattern", "name", "params"),
    [
        ("orders", "orders", {}),
        ("orders.{pk:int}", "orders.7", {"pk": 7}),
        ("orders.{pk:int}", "orders.-7", {"pk": -7}),
        ("shop.{slug:slug}.orders", "shop.the-shop_1.orders", {"slug": "the-shop_1"}),
        ("file.{id:uuid}", f"file.{ID}", {"id": ID}),
        ("chat.{room}", "chat.a%2Eb%20%C3%A9", {"room": "a.b é"}),
        ("{a}.{b:int}", "x.0", {"a": "x", "b": 0}),
    ],
)
def test_names_and_parameters(pattern: str, name: str, params: dict[str, Any]) -> None:
    """Each leads to the other."""
    assert Pattern(pattern).parse(name) == params
    assert Pattern(pattern).name(params) == name


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("orders", "order"),
        ("orders", "orders."),
        ("orders.{pk:int}", "orders.07"),
        ("orders.{pk:int}", "orders.+7"),
        ("orders.{pk:int}", "orders.-0"),
        ("orders.{pk:int}", "orders.\u0667"),
        ("orders.{pk:int}", "orders.7\n"),
        ("orders.{pk:int}", "orders.7.8"),
        ("orders.{pk:int}", "orders." + "9" * 20),
        ("file.{id:uuid}", f"file.{str(ID).upper()}"),
        ("chat.{room}", "chat."),
        ("chat.{room}", "chat.a b"),
        ("chat.{room}", "chat.%61"),
        ("chat.{room}", "chat.\ud800"),
        ("shop.{slug:slug}", "shop.é"),
    ],
)
def test_other_spellings_do_not_match(pattern: str, name: str) -> None:
    """One topic has one name."""
    assert Pattern(pattern).parse(name) is None


@given(st.text(min_size=1))
def test_any_text_can_be_a_parameter(text: str) -> None:
    """Encoded, it stays within its segment."""
    pattern = Pattern("chat.{room}.end")
    name = pattern.name({"room": text})
    assert name.count(".") == 2
    assert name.isascii()
    assert pattern.parse(name) == {"room": text}


@given(st.text())
def test_any_text_can_be_asked_for(text: str) -> None:
    """A name comes from outside: it is known or not, and never an error."""
    for pattern in ("{a}", "{a:int}", "{a:slug}.{b:uuid}", "x"):
        Pattern(pattern).parse(text)


@pytest.mark.parametrize(
    "params", [{}, {"pk": "7"}, {"pk": True}, {"pk": None}, {"pk": 10**20}, {"pk": 7, "x": 1}, {"id": 7}]
)
def test_parameters_that_do_not_fit(params: dict[str, Any]) -> None:
    """Are a TypeError where they are given."""

    class OrderTopic(Topic):
        pattern = "orders.{pk:int}"

    with pytest.raises(TypeError):
        OrderTopic(**params)
    for nothing in (None, True):
        with pytest.raises(TypeError):
            UserTopic(pk=nothing)


@pytest.mark.parametrize(
    "pattern",
    ["", "a..b", "a.", "~a", "a.{", "a.{pk:float}", "a{pk}", "{a}.{a}", "{a.b}", "a b", "a.{user}", "a.{self:int}"],
)
def test_patterns_that_cannot_be(pattern: str) -> None:
    """Are refused when the class is defined."""
    with pytest.raises(InvalidConfiguration):
        type("Bad", (Topic,), {"pattern": pattern})


def test_a_topic() -> None:
    """It knows its name and parameters, is found by its name, and nobody may listen to it."""

    class OrderTopic(Topic):
        pattern = "orders.{pk:int}"

    topic = OrderTopic(pk=7)
    assert (topic.name, topic.params) == ("orders.7", {"pk": 7})
    found = find("orders.7")
    assert found is not None
    assert (type(found[0]), found[0].name, found[1]) == (OrderTopic, "orders.7", {"pk": 7})
    assert found[0].can_subscribe(User(pk=7), pk=7) is False
    assert find("orders.x") is None


def test_what_is_not_declared() -> None:
    """Is an error that names what is."""

    class OrderTopic(Topic):
        pattern = "orders.{pk:int}"

    with pytest.raises(UnknownTopic, match=r"'order\.7'.*orders\.\{pk:int\}, user\.\{pk\}"):
        declared("order.7")
    assert find("user." + "x" * 200) is None
    with pytest.raises(TypeError):
        UserTopic(pk="x" * 200)


def test_without_a_pattern_it_is_abstract() -> None:
    """A base for others, and no topic itself."""

    class Base(Topic):
        def can_subscribe(self, user: Any, *args: Any, **params: Any) -> Any:
            return True

    class ChildTopic(Base):
        pattern = "child"

    class Grandchild(ChildTopic):
        pass

    with pytest.raises(TypeError):
        Base()
    found = find("child")
    assert found is not None
    assert type(found[0]) is ChildTopic


def test_a_permission_that_would_never_be_asked() -> None:
    """Is an error where it is written: the pattern belongs to the class above."""

    class OrderTopic(Topic):
        pattern = "orders.{pk:int}"

    with pytest.raises(InvalidConfiguration, match=r"Strict\.can_subscribe would never be asked: 'orders\.{pk:int}'"):

        class Strict(OrderTopic):
            def can_subscribe(self, user: Any, *args: Any, **params: Any) -> bool:
                return False

    class OldOrderTopic(OrderTopic):
        pattern = "old-orders.{pk:int}"

        def can_subscribe(self, user: Any, *args: Any, **params: Any) -> bool:
            return False


@pytest.mark.parametrize(
    ("one", "two", "meet"),
    [
        ("orders", "orders", True),
        ("orders", "{any}", True),
        ("orders.{pk:int}", "orders.{name}", True),
        ("orders.{pk:int}", "orders.{slug:slug}", True),
        ("orders.{pk:int}", "orders.7", True),
        ("a.{x}.c", "{y}.b.c", True),
        ("orders.{id:uuid}", "orders.{slug:slug}", True),
        ("orders.{pk:int}", "orders.new", False),
        ("orders.{pk:int}", "orders.{id:uuid}", False),
        ("orders.{pk:int}", "orders.{pk:int}.items", False),
        ("orders.{pk:int}", "shops.{pk:int}", False),
    ],
)
def test_two_patterns_for_one_name(one: str, two: str, meet: bool) -> None:
    """Are an error that names both."""
    type("One", (Topic,), {"pattern": one, "__module__": "shop.topics"})
    if not meet:
        type("Two", (Topic,), {"pattern": two})
        return
    with pytest.raises(InvalidConfiguration) as caught:
        type("Two", (Topic,), {"pattern": two, "__module__": "blog.topics"})
    assert "shop.topics.One" in str(caught.value)
    assert "blog.topics.Two" in str(caught.value)


def test_a_module_that_is_loaded_again() -> None:
    """Replaces its own classes."""
    for pattern in ("orders", "orders", "shops"):
        cls = type("One", (Topic,), {"pattern": pattern})
    assert find("orders") is None
    found = find("shops")
    assert found is not None
    assert type(found[0]) is cls


def test_functions_that_make_topics() -> None:
    """Two classes of one function are two classes, though they have one name."""

    def made(text: str) -> type[Topic]:
        class MadeTopic(Topic):
            pattern = text

        return MadeTopic

    one, two = made("one"), made("two")
    assert [type(declared("one")), type(declared("two"))] == [one, two]
    with pytest.raises(InvalidConfiguration):
        made("one")


@pytest.mark.parametrize("pk", ["x" * 300, "é" * 60, "~short"])
def test_users_with_long_keys(pk: str) -> None:
    """Have a topic of their own, whose name can be asked for; no short key can pass for it."""
    topic = UserTopic.of(pk)
    found = find(topic.name)
    assert found is not None
    assert len(topic.name) < 80
    ann, bob = User(pk=pk), User(pk=topic.params["pk"])
    assert found[0].can_subscribe(ann, **found[1]) is True
    assert found[0].can_subscribe(bob, **found[1]) is False
    assert topic.name not in (UserTopic.of(pk + "y").name, UserTopic.of(bob).name)


def test_the_topic_of_a_user() -> None:
    """Is for that user only."""
    ann, bob = User(pk=1), User(pk=11)
    topic = UserTopic.of(ann)
    assert topic.name == UserTopic.of(1).name == UserTopic.of("1").name == "user.1"
    assert topic.can_subscribe(ann, **topic.params) is True
    assert topic.can_subscribe(bob, **topic.params) is False
    assert topic.can_subscribe(AnonymousUser(), **topic.params) is False
    assert UserTopic.of(ID).name == f"user.{ID}"
    assert UserTopic.of("ann@example.com").name == "user.ann@example%2Ecom"
    for nobody in (User(), AnonymousUser(), None, ""):
        with pytest.raises(ValueError, match="nobody can be notified"):
            UserTopic.of(nobody)
