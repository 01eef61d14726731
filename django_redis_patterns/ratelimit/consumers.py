"""``class Chat(RateLimitedConsumer, AsyncJsonWebsocketConsumer)``: limits of websockets (Channels)."""

import json
from collections.abc import Mapping
from math import ceil
from operator import itemgetter
from typing import Any, ClassVar, Literal, TypeAlias

from channels.consumer import SyncConsumer
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from django_redis_patterns.core import trace
from django_redis_patterns.core.client_ip import client_network

from .decision import Decision
from .evaluate import Charge, aevaluate
from .identity import Identity
from .rate import Rate
from .rules import Rule, parsed
from .window import Window

OnLimit: TypeAlias = Literal["close", "drop", "warn"]
KINDS = ("connect", "message", "bytes")
CLOSE_CODE = 4429
RESPONSE = "websocket.http.response"  # an extension of ASGI: a handshake may be answered like a request


class RateLimitedConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels is not typed
    """In front of an async websocket consumer: ``ratelimit = {"connect": "10/m", "message": "20/10s"}``.

    ``connect`` counts connections of a client, ``message`` its frames and ``bytes`` what is in them, each a rate or a
    list of them, over all sockets of the client. A frame is one trip; one of a socket that alone is over the limit
    already is none. What is over it does not reach `receive`. ``on_limit`` says what else: "close" the socket with
    code 4429, "warn" the client by one frame until it is within the limit again, or "drop" silently. Who connects too
    often is refused by a 429 where the server can, else by a 403. With Redis away each socket is limited for itself;
    where ``ON_UNAVAILABLE`` is closed, all are over their limits.
    """

    ratelimit: ClassVar[Mapping[str, Any]] = {}
    on_limit: OnLimit = "close"
    _rules: ClassVar[Mapping[str, Rule]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if issubclass(cls, SyncConsumer):
            raise TypeError(f"{cls.__name__} is a sync consumer: RateLimitedConsumer is for async ones.")
        if unknown := cls.ratelimit.keys() - set(KINDS):
            raise ValueError(f"{cls.__name__}.ratelimit limits {', '.join(KINDS)}, not {', '.join(sorted(unknown))}.")
        if cls.on_limit not in ("close", "drop", "warn"):
            raise ValueError(f'{cls.__name__}.on_limit is "close", "drop" or "warn", not {cls.on_limit!r}.')
        name = f"{cls.__module__}.{cls.__qualname__}"
        cls._rules = {kind: _rule(f"{name}:{kind}", rates) for kind, rates in cls.ratelimit.items()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rules = {kind: rule for kind, rule in self._rules.items() if kind != "connect"}
        self._windows = {kind: [Window(rate) for rate in rule.rates] for kind, rule in rules.items()}
        self._is_shut = self._is_warned = False

    def limited_as(self) -> Identity | None:
        """Return who is counted: the user, else the address. None when nobody knows: then each socket for itself."""
        user = self.scope.get("user")
        if user is not None and user.is_authenticated:
            return ("user", str(user.pk))
        network = client_network(self.scope)
        return None if network is None else ("ip", network)

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Refuse who connects too often."""
        denials = await self._charge({"connect": 1} if "connect" in self._rules else {})
        if not denials:
            return await super().websocket_connect(message)  # type: ignore[no-any-return]
        trace.count("ratelimit.websocket.connect")
        await self._refuse(ceil(max(denial.retry_after for denial in denials)))
        raise StopConsumer

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Pass a frame on that is within the limits."""
        if self._is_shut:
            return
        costs = {kind: cost for kind, cost in {"message": 1, "bytes": _size(message)}.items() if cost}
        costs = {kind: cost for kind, cost in costs.items() if kind in self._windows}
        if over := await self._over(costs):
            return await self.over_limit(*over)
        self._is_warned = False
        for kind, cost in costs.items():
            for window in self._windows[kind]:
                window.add(cost)
        await super().websocket_receive(message)

    async def over_limit(self, kind: str, retry_after: float) -> None:
        """Act on a frame that is over the limit of *kind* for *retry_after* seconds; a subclass may act otherwise."""
        trace.count(f"ratelimit.websocket.{kind}")
        if self.on_limit == "close":
            self._is_shut = True
            await self.close(code=CLOSE_CODE)
        elif self.on_limit == "warn" and not self._is_warned:
            self._is_warned = True
            told = {"type": "rate_limited", "limit": kind, "retry_after": ceil(retry_after)}
            await AsyncWebsocketConsumer.send(self, text_data=json.dumps(told))

    async def _over(self, costs: Mapping[str, int]) -> tuple[str, float] | None:
        """Return which limit *costs* are over, and for how long: by what this socket knows, else by what Redis says."""
        waits = [(kind, window.retry_after(cost)) for kind, cost in costs.items() for window in self._windows[kind]]
        if not any(wait for _, wait in waits):
            denials = await self._charge(costs)
            waits = [(denial.rule.rpartition(":")[2], denial.retry_after) for denial in denials]
        return max(waits, key=itemgetter(1), default=None)

    async def _charge(self, costs: Mapping[str, int]) -> list[Decision]:
        """Charge all of *costs* in one trip, or none of them; return what was denied."""
        identity = self.limited_as() if costs else None
        if identity is None:
            return []
        charges = [Charge(self._rules[kind], identity, cost) for kind, cost in costs.items()]
        return [decision for decision in await aevaluate(charges) if not decision]

    async def _refuse(self, seconds: int) -> None:
        if RESPONSE not in self.scope.get("extensions", {}):
            return await self.close(code=CLOSE_CODE)  # type: ignore[no-any-return]
        headers = [(b"retry-after", b"%d" % seconds), (b"cache-control", b"no-store")]
        await self.base_send({"type": f"{RESPONSE}.start", "status": 429, "headers": headers})
        await self.base_send({"type": f"{RESPONSE}.body", "body": b""})


def _rule(name: str, rates: Any) -> Rule:
    return Rule(name=name, rates=parsed([rates] if isinstance(rates, str | Rate) else rates))


def _size(message: Mapping[str, Any]) -> int:
    text = message.get("text")
    return len(message.get("bytes") or b"") if text is None else len(text.encode("utf-8", "surrogatepass"))
