"""``manage.py redis limits``: the rate limits that the settings declare."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from django_redis_patterns.ratelimit import Decision, Limiter
from django_redis_patterns.ratelimit.identity import Identity
from django_redis_patterns.ratelimit.rules import OF_LOGINS, Rule, rules

HELP = "List the rate limits of the settings, look at what an identity has left, and give it all back."


def add_arguments(parser: CommandParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", help="Name every rule with its rates, those of logins too.")
    peek = actions.add_parser("peek", help="Show what an identity has left; exit code 1 if it is denied.")
    reset = actions.add_parser("reset", help="Forget what an identity was charged.")
    for action in (peek, reset):
        action.add_argument("rule", help="The name of a rule in REDIS_PATTERNS.")
        action.add_argument("identity", nargs="+", help="Who: all parts of it in order, such as ip 192.0.2.7.")
    for action in (listing, peek, reset):
        action.add_argument("--json", action="store_true")


def handle(command: BaseCommand, *, action: str, **options: Any) -> int:
    """Run one action; returns the exit code."""
    return ACTIONS[action](command, options)


def _list(command: BaseCommand, options: dict[str, Any]) -> int:
    told = [_rule(rule) for rule in {**OF_LOGINS, **rules()}.values()]
    lines = (
        f"{row['rule']:<20}  {row['algorithm']:<8}  {row['on_unavailable']:<6}  "
        f"{'shadow' if row['shadow'] else '':<6}  {' '.join(row['rates'])}"
        for row in told
    )
    _tell(command, options, told, lines)
    return 0


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "rates": [str(rate) for rate in rule.rates],
        "algorithm": rule.algorithm,
        "burst": rule.burst,
        "on_unavailable": "open" if rule.is_open else "closed",
        "shadow": rule.shadow,
        "connection": rule.alias,
    }


def _peek(command: BaseCommand, options: dict[str, Any]) -> int:
    decision = Limiter.rule(options["rule"]).peek(_identity(options))
    told = _decision(decision)
    lines = (
        f"{row['rate']:>12}  {row['remaining']:>8} of {row['limit']} left, all of it in {row['reset_after']:.1f} s"
        + (f", one in {row['retry_after']:.1f} s" if row["retry_after"] else "")
        for row in told["rates"]
    )
    _tell(command, options, told, lines)
    return 0 if decision else 1


def _decision(decision: Decision) -> dict[str, Any]:
    rates = [
        {
            "rate": str(quota.rate),
            "limit": quota.limit,
            "remaining": quota.remaining,
            "reset_after": quota.reset_after,
            "retry_after": quota.retry_after,
        }
        for quota in decision.quotas
    ]
    return {"rule": decision.rule, "allowed": decision.allowed, "exceeded": decision.exceeded, "rates": rates}


def _reset(command: BaseCommand, options: dict[str, Any]) -> int:
    Limiter.rule(options["rule"]).reset(_identity(options))
    told = {"rule": options["rule"], "identity": options["identity"]}
    _tell(command, options, told, [f"{options['rule']}: {' '.join(options['identity'])} starts afresh"])
    return 0


ACTIONS: dict[str, Callable[[BaseCommand, dict[str, Any]], int]] = {"list": _list, "peek": _peek, "reset": _reset}


def _identity(options: dict[str, Any]) -> Identity:
    return tuple(options["identity"])


def _tell(command: BaseCommand, options: dict[str, Any], told: Any, lines: Iterable[str]) -> None:
    for line in [json.dumps(told)] if options["json"] else lines:
        command.stdout.write(line)
