"""Results of functions that write, stored as what is read."""

import pytest
from django.db import transaction

from django_redis_patterns.caching import cached
from django_redis_patterns.core import trace
from django_redis_patterns.testing.servers import free_port
from tests.core.desks import connected

from .conftest import running


@pytest.fixture
def made(make):
    return make()


@pytest.fixture
def write(made):
    """A function that writes what it is told to, under the cached function's first argument."""

    @made.f.write_through("key")
    def write(value, key, then=lambda: None):
        then()
        return value

    return write


class TestWriteThrough:
    def test_what_is_written_is_read(self, made, write):
        assert made(1) == 1
        assert write("new", 1) == "new"
        assert write("two", key=2) == "two"
        assert (made(1), made(2), made.made) == ("new", "two", 1)

    def test_two_trips(self, made, write, one_node):
        write("warm", 1)
        with trace.record() as log:
            write("new", 1)
        assert log.trips == 2

    def test_async(self, made):
        @made.f.write_through("key")
        async def write(value, key):
            return value

        assert running(write("new", 1)) == "new"
        assert made(1) == "new"

    def test_writers_that_overlap(self, made, write):
        """Nobody knows whose write was the last in the database: neither result is kept."""
        write("outer", 1, lambda: write("inner", 1))
        assert made.f.peek(1) is None

    def test_writers_that_interleave(self, made, write, away):
        first = made.gate
        first.clear()
        outer = away(write, "first", 1, lambda: first.wait(10))
        inner = away(write, "second", 1, lambda: (first.set(), outer.result(10)))
        assert (outer.result(10), inner.result(10)) == ("first", "second")
        assert made.f.peek(1) is None

    def test_a_reader_that_began_before(self, made, write, away):
        """What it read is not stored over what was written."""
        made.gate.clear()
        slow = away(made, 1)
        made.until_called(1)
        write("new", 1)
        made.gate.set()
        assert slow.result(10) == 1
        assert made(1) == "new"

    def test_a_write_that_fails(self, made, write):
        """It may have done something: what is stored is removed."""
        made(1)
        with pytest.raises(ZeroDivisionError):
            write("new", 1, lambda: 1 / 0)
        assert made.f.peek(1) is None

    def test_a_failed_async_write(self, made):
        @made.f.write_through("key")
        async def write(key):
            raise LookupError

        made(1)
        with pytest.raises(LookupError):
            running(write(1))
        assert made.f.peek(1) is None

    def test_redis_away(self, made, write, caplog):
        """What was written is written."""
        with connected(HOST="127.0.0.1", PORT=free_port()):
            assert write("new", 1) == "new"
        assert "was written, and not stored" in caplog.text

    def test_what_cannot_be_stored(self, made, write):
        made(1)
        value = lambda: 1  # noqa: E731
        assert write(value, 1) is value
        assert made.f.peek(1) is None

    def test_an_argument_that_is_not_there(self, made):
        with pytest.raises(TypeError, match=r"write_through\('user'\): .* has no such argument; it has key"):
            made.f.write_through("user")(lambda key: 1)

    def test_a_method(self):
        class Shop:
            __cache_key__ = 7

            @cached(ttl=60)
            def price(self, item):
                return 1

            @price.write_through("self", "item")
            def set_price(self, item, price):
                return price

        shop = Shop()
        assert shop.set_price("tea", 5) == shop.price("tea") == 5


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
class TestTransactions:
    def test_at_the_commit(self, made, write, away, make_plain):
        made(1)
        with transaction.atomic():
            write("new", 1)
            assert made.f.peek(1) == 1
        assert made(1) == "new"

    def test_not_on_rollback(self, made, write):
        made(1)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            write("new", 1)
            raise ZeroDivisionError
        assert made(1) == 1

    def test_the_transaction_itself_asks_the_function(self, make_plain):
        made = make_plain()
        made(1)
        with transaction.atomic():
            made.f.write_through("key")(lambda key: "new")(1)
            assert made(1) == 2
        assert made(1) == "new"

    def test_of_another_database(self, made, write):
        made(1)
        with pytest.raises(ZeroDivisionError), transaction.atomic(using="other"):
            write("new", 1)
            raise ZeroDivisionError
        assert made(1) == 1
        with transaction.atomic(using="other"):
            write("new", 1)
        assert made(1) == "new"

    def test_of_two_databases(self, made, write):
        """Nobody knows whose commit is the write's: nothing is stored."""
        made(1)
        with transaction.atomic(), transaction.atomic(using="other"):
            write("new", 1)
        assert made.f.peek(1) is None
