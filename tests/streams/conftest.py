from collections.abc import Callable
from typing import Any

import pytest

from django_redis_patterns.streams import Stream, registry
from django_redis_patterns.streams.registry import consumers
from django_redis_patterns.testing.fixtures import fault_proxy


@pytest.fixture(autouse=True)
def _no_consumers_but_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_consumers", {})


@pytest.fixture
def orders() -> Stream:
    return Stream("orders")


@pytest.fixture
def declare(orders: Stream) -> Callable[..., Any]:
    """Declare a handler on `orders`, and return its `Consumer`."""

    def declared(handler: Any = None, **options: Any) -> Any:
        options = {"group": "mailers", "start": "beginning", "backoff": lambda error, attempt: 0.0, **options}
        orders.consumer(**options)(handler or (lambda event: None))
        return next(one for one in consumers() if one.group == options["group"])

    return declared
