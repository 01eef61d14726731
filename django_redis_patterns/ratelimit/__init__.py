"""Rate limits: several rates and rules of an identity decided all-or-nothing, in one round trip.

    MIDDLEWARE = [..., "django_redis_patterns.ratelimit.RateLimitMiddleware"]; @ratelimit("100/m", key="user_or_ip")
    limiter = Limiter("login", "5/15m"); decision = limiter.hit("ann"); bool(decision), decision.retry_after
    limiter.peek("ann"); limiter.refund(decision); limiter.reset("ann"); Limiter.rule("api").hit(user.pk, cost=2)

A decision: one script for each identity, all in one pipeline; nothing for who is denied already.
Promises: "sliding" and "log" never admit more than the limit in any window, "bucket" never more than burst + rate
times window, "fixed" never more than the limit in each of its windows; on the clock of Redis; every key has a TTL.
With Redis away each rule is open or closed, as it says.
"""

from .decision import Decision, Quota
from .decorators import ratelimit
from .limiter import Limiter
from .middleware import RateLimitMiddleware
from .rate import Rate

__all__ = ["Decision", "Limiter", "Quota", "Rate", "RateLimitMiddleware", "ratelimit"]
