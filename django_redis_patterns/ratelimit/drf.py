"""``throttle_classes = [RedisThrottle.rule("api")]`` for Django REST framework (extra ``drf``)."""

from typing import Any, Unpack

from rest_framework.throttling import BaseThrottle

from .decorators import RuleOptions, resolved
from .enforcement import enforce
from .keys import Key
from .rate import Rate
from .request_rules import RequestRule, build
from .responses import headers
from .rules import Rule, parsed
from .verdict import verdict_of


class RedisThrottle(BaseThrottle):  # type: ignore[misc]  # DRF is not typed
    """A throttle by a rule of the settings, `rule`, or by one of its own, `of`.

    All of a view's are decided together, in one trip, when DRF has authenticated; those whose key needs no user
    earlier still by `RateLimitMiddleware`, where that stands, with all other rules of the request. Costs and rates may
    depend on the request as everywhere; ``count_if`` needs the middleware.
    """

    declared: RequestRule | str

    @classmethod
    def rule(cls, name: str) -> type["RedisThrottle"]:
        """Return the throttle of the rule *name* in ``REDIS_PATTERNS["RATELIMIT"]["RULES"]``."""
        return type(f"{cls.__name__}_{name}", (cls,), {"declared": name})

    @classmethod
    def of(
        cls, name: str, *rates: str | Rate, key: Key = "user_or_ip", **options: Unpack[RuleOptions]
    ) -> type["RedisThrottle"]:
        """Return a throttle that says its rates itself; *key* and *options* are those of `ratelimit`."""
        rule = build(Rule(name=name, rates=parsed(rates), **options), {"key": key})
        return type(f"{cls.__name__}_{name}", (cls,), {"declared": rule})

    @classmethod
    def request_rule(cls) -> RequestRule:
        """Return its rule. Raises `InvalidConfiguration` when the settings have none of this name."""
        return resolved(cls.declared)

    def allow_request(self, request: Any, view: Any) -> bool:
        """Decide what nobody has decided of *view*'s rules, all or nothing: its throttles say the same."""
        self.verdict = verdict_of(request)
        siblings = [throttle for throttle in view.get_throttles() if isinstance(throttle, RedisThrottle)]
        with self.verdict.answering() as is_outermost:
            enforce(request._request, [throttle.request_rule() for throttle in siblings])
            if is_outermost:  # nobody else tells the client
                view.headers.update(headers(request, self.verdict.decisions))
        if not self.verdict:
            view.headers["Cache-Control"] = "no-store"
        return bool(self.verdict)

    def wait(self) -> float:
        """Return after how many seconds it would be allowed."""
        return max(decision.retry_after for decision in self.verdict.decisions if not decision.allowed)
