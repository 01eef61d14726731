"""``@lock("invoice:{order.pk}")``."""

import asyncio
import inspect
from types import SimpleNamespace

import pytest

from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.locks import LockTimeout, lock, semaphore


def names(*expected):
    """Assert from inside of a decorated function that these are held."""
    assert [len(lock(name).holders()) for name in expected] == [1] * len(expected)


def test_a_name_from_the_arguments():
    """Given by place, by name or by default, with attributes and items."""

    @lock("invoice:{order.pk}:{kind}:{more[a]}")
    def bill(order, kind="new", **more):
        """Bill it."""
        names(f"invoice:{order.pk}:{kind}:{more['a']}")
        return order.pk

    assert bill(SimpleNamespace(pk=7), a=1) == 7
    assert bill(kind="old", order=SimpleNamespace(pk=8), a=2) == 8
    assert (bill.__name__, bill.__doc__) == ("bill", "Bill it.")


def test_methods_and_several_names():
    class Till:
        number = 3

        @lock(["till:{self.number}", "{other}", "{{literally}}"])
        def close(self, other):
            names("till:3", other, "{literally}")
            return True

    assert Till().close("x")


def test_coroutine_functions():
    @lock("invoice:{pk}")
    async def bill(pk):
        assert len(await lock(f"invoice:{pk}").aholders()) == 1
        return pk

    async def main():
        assert await bill(7) == 7
        await adisconnect()

    assert inspect.iscoroutinefunction(bill)
    asyncio.run(main())


@pytest.mark.parametrize("on_busy", ["skip", "raise", None])
def test_when_it_is_busy(on_busy, away):
    """Skip the call, or raise: which a nested lock of the function itself does anyway."""
    calls = []

    @lock("invoice:{pk}", wait=0, on_busy=on_busy)
    def bill(pk):
        calls.append(pk)

    with lock("invoice:7"):
        if on_busy == "skip":
            assert away(bill, 7).result() is None
        else:
            with pytest.raises(LockTimeout):
                away(bill, 7).result()
        away(bill, 8).result()
    assert calls == [8]


def test_what_the_function_raises_is_not_skipped(away):
    @lock("outer", wait=0, on_busy="skip")
    def bill():
        lock("inner", wait=0).acquire()

    with lock("inner"), pytest.raises(LockTimeout, match="inner"):
        away(bill).result()


def test_a_coroutine_function_is_skipped():
    @lock("busy", wait=0, on_busy="skip")
    async def bill():
        raise AssertionError("nobody is in")

    async def main():
        async with lock("busy"):
            assert await asyncio.create_task(bill()) is None
        await adisconnect()

    asyncio.run(main())


def test_a_semaphore_decorates_too(away):
    @semaphore("thumbs", limit=1, wait=0)
    def draw():
        assert semaphore("thumbs", limit=1).holders()

    draw()


def test_without_parentheses():
    with pytest.raises(TypeError, match=r'write @lock\("name"\) instead of @lock'):

        @lock
        def bill():
            pass


def test_a_misspelt_argument_is_told_at_once():
    with pytest.raises(TypeError, match=r"takes \{oder.pk\}, which is no argument of .*bill. Its arguments: order"):

        @lock("invoice:{oder.pk}")
        def bill(order):
            pass


@pytest.mark.parametrize("wrong", [7, int, (lambda: (yield)), SimpleNamespace()])
def test_what_cannot_be_decorated(wrong):
    """A generator would run after the lock is released."""
    with pytest.raises(TypeError, match="decorates functions and coroutine functions"):
        lock("a")(wrong)


def test_an_object_that_is_called_as_a_coroutine():
    class Bill:
        async def __call__(self):
            return len(await lock("bill").aholders())

    async def main():
        assert await lock("bill", wait=0)(Bill())() == 1
        await adisconnect()

    asyncio.run(main())
