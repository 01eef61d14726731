"""A cached function: what it returns, how often it is called, and how one call is told from another."""

import asyncio
import importlib
import pickle
import threading
import uuid
from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag
from inspect import signature
from time import sleep
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest
from asgiref.sync import iscoroutinefunction
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SynchronousOnlyOperation
from django.test import override_settings
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from django_redis_patterns.caching import SerializationError, ValueTooLarge, cached
from django_redis_patterns.caching.flights import _flights
from django_redis_patterns.caching.recipe import _calls
from django_redis_patterns.caching.stable import Unstable, stable
from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import client
from django_redis_patterns.core.operations import batch
from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.testing.servers import free_port
from tests.boards.models import Guest, Player
from tests.core.desks import connected, until

from .conftest import running

Point = namedtuple("Point", "x y")


class Colour(Enum):
    RED = 1


class Size(IntEnum):
    S = 1


class Rights(IntFlag):
    READ = 1
    WRITE = 2


class Masked(int):
    def __str__(self):
        return "***"


class MaskedText(str):
    def __format__(self, spec):
        return "***"


@dataclass
class Range:
    low: int
    high: int


class Named:
    def __init__(self, name):
        self.__cache_key__ = name

    __cache_key__ = None


class Asked:
    def __cache_key__(self):
        return 7


MOMENT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
BERLIN = datetime(2026, 1, 2, 3, 4, tzinfo=ZoneInfo("Europe/Berlin"))
DIFFERENT = [
    *(None, True, False, 1, 0, -1, 1.0, 0.0, 1 + 0j, "1", "", "None", b"1", b"", Decimal(1), Decimal("1.0")),
    *((), [], {}, set(), frozenset({1}), (1,), [1], {1: 1}, {"1": 1}, {1}, ((1,),), (1, 1), ((1, 1),), ("1", 1)),
    *(MOMENT, MOMENT.replace(tzinfo=None), MOMENT.replace(tzinfo=None, fold=1), date(2026, 1, 2), time(3, 4)),
    *(timedelta(1), timedelta(0, 1), Colour.RED, Size.S, Point(1, 1), Range(1, 1), Range(1, 2), int, str, Range),
    *(uuid.UUID(int=1), Player(pk=1), Player(pk=2), Player(pk="1"), Guest(pk=1), Asked(), "a;s1:b", ("a", "b")),
    *(BERLIN, BERLIN.replace(tzinfo=ZoneInfo("Europe/Paris")), BERLIN.timetz(), 10**99, 10**5000, 10**5000 + 1),
    *(Masked(1), Masked(2), MaskedText("1"), MaskedText("2"), Rights(0), Rights(3), Rights(4), AnonymousUser()),
    *(("a;s1:b",), ("a", "s1:b"), ("ab", ""), ("", "ab"), {"a": "b"}, {"a", "b"}, ["a", "b"], "s1:1;", Named("x")),
]


ODD_TEXT = st.text("s1:;()n\n", max_size=6)
PLAIN_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | ODD_TEXT | ODD_TEXT.map(str.encode),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)


class TestNames:
    @pytest.mark.parametrize("index", range(len(DIFFERENT)))
    def test_different_values_have_different_names(self, index):
        """1, "1", True and 1.0 are four values, and no text can look like two."""
        names = [stable(value) for value in DIFFERENT]
        assert names.count(names[index]) == 1, DIFFERENT[index]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
            ({1, 2, 3}, {3, 2, 1}),
            (Player(pk=1, name="a"), Player(pk=1, name="b")),
            (SimpleLazyObject(lambda: Player(pk=1)), Player(pk=1)),
            (SimpleLazyObject(AnonymousUser), AnonymousUser()),
            (gettext_lazy("yes"), "yes"),
            (Range(1, 2), Range(1, 2)),
            (Named("x"), Named("x")),
        ],
    )
    def test_equal_values_have_one_name(self, one, other):
        assert stable(one) == stable(other)

    @given(one=PLAIN_VALUES, other=PLAIN_VALUES)
    def test_names_are_equal_when_values_are(self, one, other):
        """`repr` tells plain values apart, too."""
        assert (stable(one) == stable(other)) == (repr(one) == repr(other))

    def test_a_safe_text_is_not_the_text(self):
        assert stable(SafeString("<b>")) != stable("<b>")

    @pytest.mark.parametrize(
        "value", [object(), Player(), [object()], {"a": object()}, lambda: 1, Player.objects.all()]
    )
    def test_what_has_no_name_is_refused(self, value):
        with pytest.raises(Unstable):
            stable(value)

    def test_a_call_is_named_by_what_the_function_gets(self, make):
        """By position or by name, with a default or without: one call."""
        f = make().f
        keys = {f.key_for(1), f.key_for(1, 0), f.key_for(a=1), f.key_for(b=0, a=1)}
        assert len(keys) == 1
        assert f.key_for("1") not in keys
        assert f.key_for() == f.key_for(0, 0)

    def test_arguments_without_end(self):
        @cached(ttl=1)
        def f(*args, x=1, **more):
            pass

        calls = [f.key_for(), f.key_for(1), f.key_for(1, 2), f.key_for((1, 2)), f.key_for(y=1), f.key_for(1, y=1)]
        assert len(set(calls)) == len(calls)
        assert f.key_for(y=1, z=2) == f.key_for(z=2, y=1)
        assert f.key_for(x=1) == f.key_for()

    def test_texts_that_are_no_text(self, make):
        """Half of a surrogate pair, as the file system gives them, and everything that separates."""
        made = make(near=True, tags=["t:{a}"])
        for number, odd in enumerate(["\ud800", "a\nb", ":{}", "é", "\0", "x" * 500 + "\ud800"], 1):
            assert made(odd) == made(odd) == number

    def test_long_arguments_have_short_keys(self, make):
        assert len(make().f.key_for("x" * 10_000)) < 150

    def test_calls_with_many_arguments_are_not_remembered(self):
        f = cached(ttl=1)(lambda *numbers: numbers)
        before = len(_calls)
        f.key_for(*range(1000))
        assert len(_calls) == before
        f.key_for(1, 2)
        assert len(_calls) == before + 1

    def test_what_the_function_does_not_take(self, make):
        for args, kwargs in [((1, 2, 3), {}), ((), {"c": 1}), ((1,), {"a": 1})]:
            with pytest.raises(TypeError):
                make()(*args, **kwargs)

    def test_missing_arguments(self):
        @cached(ttl=1)
        def f(a, b):
            pass

        with pytest.raises(TypeError, match="'b'"):
            f(1)

    def test_what_has_no_stable_form_says_what_to_write(self, make):
        with pytest.raises(TypeError, match=r"a of tests\..* is or holds a builtins.object, .*__cache_key__.*ignore="):
            make()(object())

    def test_ignored_arguments(self, make):
        """They tell no call from another, and need no name."""
        made = make(ignore=["b"])
        assert made(1, object()) == made(1, object()) == 1
        assert made(2) == 2
        with pytest.raises(TypeError, match="no argument"):
            make(ignore=["c"])

    def test_a_key_of_ones_own(self, make):
        for key in ("{a.x}", lambda a, b=0: a.x):
            made = make(key=key)
            assert made(Point(1, 2), 1) == made(Point(1, 3), 2) == 1
            assert made(Point(2, 2)) == 2
        with pytest.raises(TypeError, match=r"takes \{c\}, which is no argument"):
            make(key="{c}")

    def test_a_key_is_told_by_its_parts(self, make):
        """Nobody makes another call's key by what he is called."""
        f = make(key="{a}:{b}").f
        assert f.key_for("1:2", "3") != f.key_for("1", "2:3")
        assert f.key_for(1, 2) == f.key_for("1", "2") != f.key_for("1", "3")
        f = make(key="{a.x:>3}{b!r}").f
        assert f.key_for(Point(1, 2), "1") != f.key_for(Point(1, 2), 1)

    def test_what_a_person_typed_is_in_no_key(self):
        f = cached(ttl=1)(short)
        assert all("ann" not in name for name in (f.key_for("ann@x.de"), f.call_of("ann@x.de").place.near_name))
        assert "short(7;)" in unquote(f.key_for(7))


def short(who):
    pass


class Shop:
    def __init__(self, id):
        self.id = id
        self.calls = 0

    @cached(ttl=60)
    def top(self, n):
        self.calls += 1
        return (self.id, n)

    @cached(ttl=60, ignore=["self"])
    async def for_all(self, n):
        self.calls += 1
        return n

    @classmethod
    @cached(ttl=60)
    def of_class(cls, n):
        return (cls.__name__, n)

    @staticmethod
    @cached(ttl=60)
    def of_nobody(n):
        return n


class KnownShop(Shop):
    @property
    def __cache_key__(self):
        return self.id


class TestMethods:
    def test_an_object_needs_an_identity(self):
        """Without one two objects would share, or none would ever hit."""
        with pytest.raises(TypeError, match=r"self of .*Shop.top .*__cache_key__"):
            Shop(1).top(1)

    def test_objects_are_told_apart(self):
        one, same, other = KnownShop(1), KnownShop(1), KnownShop(2)
        assert [one.top(1), same.top(1), other.top(1)] == [(1, 1), (1, 1), (2, 1)]
        assert (one.calls, same.calls, other.calls) == (1, 0, 1)

    def test_faces_of_a_method(self):
        shop = KnownShop(1)
        shop.top.set("mine", 7)
        assert shop.top(7) == shop.top.peek(7) == "mine"
        assert KnownShop(2).top.peek(7) is None
        shop.top.invalidate(7)
        assert shop.top(7) == (1, 7)
        assert Shop.top.key_for(shop, 7) == shop.top.key_for(7)

    def test_a_method_for_all(self):
        one, other = Shop(1), Shop(2)
        assert running(one.for_all(3)) == running(other.for_all(3)) == 3
        assert (one.calls, other.calls) == (1, 0)

    def test_classes_and_nobody(self):
        assert [Shop.of_class(1), KnownShop.of_class(1)] == [("Shop", 1), ("KnownShop", 1)]
        assert Shop.of_nobody(3) == Shop(1).of_nobody(3) == 3

    @pytest.mark.django_db
    def test_a_row_has_an_identity(self):
        assert cached(ttl=60)(lambda player: player.name)(Player.objects.create(name="ada")) == "ada"


class TestValues:
    @pytest.mark.parametrize(
        "value", [None, False, 0, "", [], {}, (1, 2), {1: (2, {3})}, Colour.RED, MOMENT, Range(1, 2), b"x" * 100_000]
    )
    def test_what_comes_back_is_what_was_given(self, value):
        """None too is a value."""
        calls = []

        @cached(ttl=60)
        def f():
            calls.append(1)
            return value

        assert (f(), f()) == (value, value)
        assert type(f()) is type(value)
        assert len(calls) == 1
        assert f.peek(default="nothing") == value

    def test_nobody_gets_the_object_of_another(self):
        f = cached(ttl=60)(lambda: [1])
        f()
        f().append(2)
        assert f() == [1]

    @pytest.mark.parametrize("value", [(1,), {1: 2}, MOMENT, Decimal(1), {"a": (1,)}, object(), float("nan")])
    def test_json_refuses_what_would_come_back_changed(self, value, bare_redis):
        """At once, when it is stored, and not in some other process a day later."""
        f = cached(ttl=60, serializer="json")(lambda: value)
        with pytest.raises(SerializationError):
            f()
        assert not bare_redis.keys("*:lease") + bare_redis.keys("*:value")

    def test_json(self):
        f = cached(ttl=60, serializer="json")(lambda: {"a": [1, None, 1.5, "é"]})
        assert f() == f() == {"a": [1, None, 1.5, "é"]}

    def test_what_cannot_be_pickled(self):
        with pytest.raises(SerializationError, match="cannot be pickled"):
            cached(ttl=60)(lambda: lambda: 1)()

    def test_a_value_too_large_is_not_stored(self, settings, make_plain):
        """The caller gets it all the same."""
        settings.REDIS_PATTERNS = {**settings.REDIS_PATTERNS, "CACHING": {"MAX_BYTES": 1000}}
        calls = []

        @cached(ttl=60)
        def f(n):
            calls.append(n)
            return "x" * n

        before = trace.counters().get("caching.too_large", 0)
        assert len(f(2000)) == len(f(2000)) == 2000
        assert len(f(20)) == len(f(20)) == 20
        assert calls == [2000, 2000, 20]
        assert trace.counters()["caching.too_large"] == before + 1  # then it is known
        with pytest.raises(ValueTooLarge):
            f.set("x" * 2000, 1)

    def test_a_stranger_to_redis_is_not_believed(self, bare_redis, make):
        """Without the site's key nobody makes a value; nor is one good for another call."""
        made = make()
        for junk in ("", "x", "1" + "x" * 200, "p" * 50):
            bare_redis.set(made.f.key_for(1), junk, px=60_000)
            before = made.made
            assert made(1) == made(1) == before + 1

    def test_a_value_is_good_for_its_own_call_alone(self, make):
        """Who may write to Redis may not give one call's result to another."""
        made, raw = make(), client()
        made(1), made(2)
        raw.set(made.f.key_for(1), raw.get(made.f.key_for(2)), px=60_000)
        assert made(1) == 3

    def test_a_new_secret_is_a_miss(self, make, settings):
        made = make()
        made(1)
        before = trace.counters().get("caching.undecodable", 0)
        settings.SECRET_KEY = "another"
        assert (made(1), made(1)) == (2, 2)
        assert trace.counters()["caching.undecodable"] == before + 1


class TestFaces:
    def test_it_looks_like_the_function(self, make):
        f = make().f
        assert f.__name__ in ("number", "anumber")
        assert list(signature(f).parameters) == ["a", "b"]
        assert iscoroutinefunction(f) == (f.__name__ == "anumber")
        assert repr(f).startswith("<cached tests.caching.conftest.Made.")

    def test_every_face(self, make, face):
        """Sync, async and in a batch, on functions of both kinds."""
        made = make(tags=["t"])
        f = made.f
        assert face(f.peek, 1, default="none") == "none"
        face(f.set, 70, 1)
        assert face(f.peek, 1) == 70
        assert face(f.refresh, 1) == 1
        if face.way != "batch":
            assert face(f.get, 1) == 1
            assert face(f.many, [(1,), (2,), (3,), (2,)]) == [1, 2, 3, 2]
        assert face(f.peek, 1) == 1
        assert face(f.stats).calls == made.made

    def test_async_twins(self, make):
        f = make().f

        async def act():
            await f.aset(5, 1)
            assert await f.aget(1) == await f.apeek(1) == 5
            assert await f.amany([(1,), (2,)]) == [5, 1]
            await f.ainvalidate(1)
            assert await f.arefresh(1) == 2
            assert (await f.astats()).calls == 2

        running(act())

    def test_a_batch_does_not_wait(self, make):
        with pytest.raises(TypeError, match="waits"), batch() as together:
            together(make().f.get, 1)

    def test_a_loop_is_not_blocked(self, make_plain):
        """Each time, not only when somebody else is at it."""
        made = make_plain()

        async def act():
            made.f(1)

        with pytest.raises(SynchronousOnlyOperation):
            asyncio.run(act())

    def test_what_is_no_function(self):
        def generator():
            yield

        for wrong in (generator, int, 7, Shop, property(generator)):
            with pytest.raises(TypeError, match="@cached decorates"):
                cached(ttl=1)(wrong)
        for wrong in (classmethod(short), staticmethod(short)):
            with pytest.raises(TypeError, match="next to the function: write @classmethod or @staticmethod above it"):
                cached(ttl=1)(wrong)
        with pytest.raises(TypeError, match="is cached already"):
            cached(ttl=1)(cached(ttl=1)(short))

    def test_how_it_is_not_written(self):
        for wrong in (lambda: cached(short), lambda: cached(300)):
            with pytest.raises(TypeError, match="'ttl'"):
                wrong()
        with pytest.raises(TypeError, match=r"@cached\(ttl=300\), and not 300"):
            cached(300, ttl=300)

    def test_functions_go_to_other_processes(self):
        """By name, as functions do."""
        assert pickle.loads(pickle.dumps(at_the_top)) is at_the_top
        method = pickle.loads(pickle.dumps(KnownShop(3).top))
        assert method.key_for(1) == KnownShop(3).top.key_for(1)


@cached(ttl=60)
def at_the_top():
    pass


class TestOneNameOneFunction:
    """Results are stored under the name."""

    def test_two_lambdas(self):
        cached(ttl=60)(lambda: 1)
        with pytest.raises(TypeError, match=r"Two cached functions are called .*lambda.*, on lines"):
            cached(ttl=60)(lambda: 2)

    def test_two_of_one_name(self):
        def two():
            return 1

        cached(ttl=60)(two)

        def two():
            return 2

        with pytest.raises(TypeError, match=r"Two cached functions are called .*two"):
            cached(ttl=60)(two)

    def test_a_module_that_is_loaded_again(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(tmp_path)
        text = "from django_redis_patterns.caching import cached\n@cached(ttl=60)\ndef f(): return 1\n"
        (tmp_path / "loaded_again.py").write_text(text)
        module = importlib.import_module("loaded_again")
        (tmp_path / "loaded_again.py").write_text("# moved\n" + text + "# and longer\n")
        importlib.reload(module)
        assert module.f() == 1

    @pytest.mark.filterwarnings("default")
    def test_what_is_around_it(self):
        """A function in a view is made anew for each request, and is named as the one of the last request."""

        def view(user):
            return cached(ttl=60)(lambda: user)

        view("ann")
        with pytest.warns(RuntimeWarning, match=r"lambda.* closes over user, .*Make it an argument"):
            view("bob")


class TestMistakes:
    """Each is told by its name, with what to write."""

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"ttl": 0}, ValueError, "ttl is at least 0.001 seconds"),
            ({"ttl": "5"}, TypeError, "ttl is a number of seconds"),
            ({"stale": -1}, ValueError, "stale is at least 0"),
            ({"stale_if_error": True}, TypeError, "stale_if_error is a number"),
            ({"ttl": float("nan")}, ValueError, "ttl is at least"),
            ({"serializer": "yaml"}, ValueError, '"pickle" or "json"'),
            ({"tags": ["x:{c}"]}, TypeError, r"takes \{c\}, which is no argument"),
            ({"tags": ["{a"]}, TypeError, r"tags='\{a' is no template"),
            ({"tags": [7]}, TypeError, "tags are texts"),
            ({"tags": None}, TypeError, "tags are texts"),
            ({"tags": ["t"], "connection": "x"}, TypeError, "leave out connection="),
            ({"depends_on": [Player], "connection": "x"}, TypeError, "leave out connection="),
            ({"connection": 7}, TypeError, "connection is an alias"),
            ({"near": "yes"}, TypeError, "near is True or False"),
            ({"key": 7}, TypeError, "key is a text with {} or a function"),
            ({"depends_on": None}, TypeError, "depends_on takes models"),
            ({"depends_on": ["Player"]}, TypeError, "depends_on takes models"),
            ({"depends_on": [int]}, TypeError, "depends_on takes models"),
        ],
    )
    def test_mistakes_are_told_at_import(self, make, options, error, message):
        with pytest.raises(error, match=message):
            make(**options)

    def test_durations(self, make, bare_redis):
        made = make(ttl=timedelta(minutes=2), stale=30)
        made(1)
        assert 145_000 < bare_redis.pttl(made.f.key_for(1)) <= 150_000


class TestErrors:
    def test_what_the_function_raises_is_not_stored(self, make):
        made = make()
        made.error = LookupError("no")
        for _ in range(2):
            with pytest.raises(LookupError, match="no"):
                made(1)
        made.error = None
        assert made(1) == made(1) == 3

    def test_redis_away(self, make):
        """The function is called; nobody hears of Redis but the counters."""
        made = make(tags=["t"])
        with connected(HOST="127.0.0.1", PORT=free_port()):
            assert (made(1), made(1)) == (1, 2)
            with pytest.raises(RedisUnavailable):
                made.f.peek(1)
            with pytest.raises(RedisUnavailable):
                made.f.invalidate(1)
        assert made(1) == made(1) == 3

    def test_redis_away_and_many_ask(self, make, away):
        """Once at a time in the process, and each has a value of its own."""
        made = make()
        with connected(HOST="127.0.0.1", PORT=free_port()):
            made.gate.clear()
            asked = [away(made, 1) for _ in range(8)]
            made.until_called(1)
            other = away(made, 2)
            made.until_called(2)
            until_waiting(7)
            made.gate.set()
            assert {one.result() for one in asked} == {1}
            assert other.result() == 2
        assert made.made == 2

    def test_redis_away_and_the_first_fails(self, away):
        """The others go on one by one."""
        begun, gate, at_work = [], threading.Event(), []

        @cached(ttl=60)
        def f():
            begun.append(1)
            at_work.append(len(begun) - len(ended))
            if len(begun) == 1:
                gate.wait(10)
                ended.append(1)
                raise LookupError
            sleep(0.02)
            ended.append(1)

        ended = []
        with connected(HOST="127.0.0.1", PORT=free_port()):
            first = away(f)
            until(lambda: begun)
            others = [away(f) for _ in range(6)]
            until_waiting(6)
            gate.set()
            with pytest.raises(LookupError):
                first.result()
            assert [one.result() for one in others] == [None] * 6
        assert set(at_work) == {1}

    @pytest.mark.usefixtures("redis_server")
    def test_redis_goes_away_in_mid_call(self, make, away, fault_proxy):
        """What was made is returned."""
        made = make()
        with connected(URL=fault_proxy.url):
            made.gate.clear()
            asked = away(made, 1)
            made.until_called(1)
            fault_proxy.refuse()
            fault_proxy.reset()
            made.gate.set()
            assert asked.result() == 1


def until_waiting(number):
    until(lambda: max((len(flight.bells) for flight in list(_flights.values())), default=0) >= number)


def test_another_connection():
    """Its own, the room's, or the default."""
    one = lambda: 1  # noqa: E731
    assert cached(ttl=1)(one).connection == "default"
    assert cached(ttl=1, connection="x")(one).connection == "x"
    with override_settings(
        REDIS_PATTERNS={"CONNECTIONS": {"default": "redis://a", "c": "redis://b"}, "CACHING": {"CONNECTION": "c"}}
    ):
        assert cached(ttl=1)(one).connection == "c"
