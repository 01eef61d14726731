"""What a rule says while Redis is away."""

import logging
import time

from django_redis_patterns.core import trace
from django_redis_patterns.exceptions import PoolExhausted, RedisUnavailable

from .decision import Decision
from .rules import Rule

#: Seconds after which somebody who was denied may come again: about when a connection tries again.
RETRY = 1.0

#: Seconds after an outage of which the log tells no other one of the same rule: part of a cluster may come and go.
QUIET = 10.0

logger = logging.getLogger("django_redis_patterns.ratelimit")
_away: dict[str, float] = {}  # since when
_told: dict[str, float] = {}  # of which outage the log tells


def answer(rule: Rule, error: RedisUnavailable) -> Decision:
    """Return what *rule* says instead of Redis. The beginning of an outage is logged.

    Open is for outages: who floods this process until it has no connection left is not let through because of that.
    """
    trace.count("ratelimit.unavailable")
    is_open = rule.is_open and not isinstance(error, PoolExhausted)
    now = time.monotonic()
    since, told = _away.setdefault(rule.name, now), _told.get(rule.name, -QUIET)
    if since != told and now - told >= QUIET:
        _told[rule.name] = since
        policy = "open: everything passes" if is_open else "closed: nothing passes"
        logger.warning("Rate limit %r cannot count and is %s. %s", rule.name, policy, error)
    retry_after = 0.0 if is_open else RETRY
    return Decision(is_open, rule.name, rule.rates[0].limit, 0, retry_after, retry_after, unavailable=True)


def over(rule: Rule) -> None:
    """Redis has answered. The end of an outage that was told is logged."""
    since = _away.pop(rule.name, None)
    if since is not None and since == _told.get(rule.name):
        logger.warning("Rate limit %r counts again.", rule.name)
