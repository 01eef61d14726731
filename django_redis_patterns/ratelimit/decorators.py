"""``@ratelimit``: limits of one view."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypedDict, TypeVar, Unpack, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from .enforcement import aenforce, asettle, enforce, settle
from .keys import Key, auser_of
from .rate import Rate
from .request_rules import Cost, RequestRule, build, declared
from .responses import annotate, answer_to, refusal
from .rules import Algorithm, Policy, Rule, parsed
from .verdict import verdict_of

V = TypeVar("V", bound=Callable[..., Any])
#: Where a view keeps its rules: the middleware finds them there, through other decorators too.
RULES = "_rate_limits"
AS_THE_RULE_SAYS = {"key": "user_or_ip", "methods": None, "cost": 1, "rates_for": None, "count_if": None}
METHOD_DECORATOR = "django.utils.decorators"  # it tries its decorator out on a function of its own


class RuleOptions(TypedDict, total=False):
    """What `Rule` takes beside its name and rates."""

    algorithm: Algorithm
    burst: int
    on_unavailable: Policy
    shadow: bool
    connection: str


def ratelimit(
    *rates: str | Rate,
    rule: str | None = None,
    name: str | None = None,
    key: Key = "user_or_ip",
    methods: Any = None,
    cost: Cost | str = 1,
    rates_for: Callable[[HttpRequest], Any] | str | None = None,
    count_if: Callable[[HttpResponseBase], Any] | str | None = None,
    **options: Unpack[RuleOptions],
) -> Callable[[V], V]:
    """Limit a view: ``def`` or ``async def``, a method, or a class-based view as a whole.

        @ratelimit("100/m", "5000/d", key="user_or_ip")
        @ratelimit("5/15m", key=["ip", "post:username"], methods="POST")
        @ratelimit(rule="api")  # one of the settings

    With `RateLimitMiddleware` it is decided there, with all other rules of the request; without, the view itself
    refuses. Never both. *name* is the view's, or its class's, unless it is given. For *cost*, *rates_for* and
    *count_if* see `RequestRule`; for *options* `Rule`. Raises ValueError for what does not go together.
    """
    given = {"key": key, "methods": methods, "cost": cost, "rates_for": rates_for, "count_if": count_if}

    said = parsed(rates)

    def decorate(view: V) -> V:
        if rule is not None:
            return _limited(view, rule)
        named = Rule(name=name or _name(view), rates=said, **options)
        return _limited(view, build(named, given))

    if rule is not None and (rates or name or options or given != AS_THE_RULE_SAYS):
        raise ValueError(f"The settings say all of the rule {rule!r}: give nothing beside its name.")
    return decorate


def rules_on(view: Any) -> list[RequestRule]:
    """Return the rules that *view* was decorated with."""
    return [resolved(rule) for rule in getattr(view, RULES, ())]


def resolved(rule: RequestRule | str) -> RequestRule:
    """Return *rule*, or the one of this name in the settings as they are now."""
    return declared(rule) if isinstance(rule, str) else rule


def _limited(view: V, rule: RequestRule | str) -> V:
    if isinstance(view, type):
        cls: Any = view
        cls.dispatch = _wrapped(cls.dispatch, rule, is_async=iscoroutinefunction(cls.dispatch))
        return view
    return cast(V, _wrapped(view, rule, is_async=iscoroutinefunction(view) or _is_dispatch_of_async(view)))


def _wrapped(view: Callable[..., Any], rule: RequestRule | str, *, is_async: bool) -> Callable[..., Any]:
    """Return *view* with *rule* and those that it has already, all decided together."""
    rules = (rule, *getattr(view, RULES, ()))

    @wraps(view)
    def limited(*args: Any, **kwargs: Any) -> Any:
        if getattr(next(iter(args), None), "view_is_async", False):  # a class, or a subclass, whose methods are async
            return alimited(*args, **kwargs)
        request = _request(args)
        with verdict_of(request).answering() as is_outermost:
            verdict = enforce(request, map(resolved, rules))
            try:
                response = view(*args, **kwargs) if verdict else refusal(request, verdict.decisions)
            except Exception as error:
                if is_outermost:
                    settle(request, answer_to(error))
                raise
            if is_outermost:
                settle(request, response)
                annotate(request, response, verdict.decisions)
        return response

    @wraps(view)
    async def alimited(*args: Any, **kwargs: Any) -> Any:
        request = _request(args)
        with verdict_of(request).answering() as is_outermost:
            verdict = await aenforce(request, map(resolved, rules), auser_of)
            try:
                response = await view(*args, **kwargs) if verdict else refusal(request, verdict.decisions)
            except Exception as error:
                if is_outermost:
                    await asettle(request, answer_to(error))
                raise
            if is_outermost:
                await asettle(request, response)
                annotate(request, response, verdict.decisions)
        return response

    wrapper = alimited if is_async else limited
    if view.__module__ != METHOD_DECORATOR:
        setattr(wrapper, RULES, rules)
    return wrapper


def _name(view: Any) -> str:
    """Return where the code of *view* is, also for what `as_view` and `method_decorator` make of it."""
    owner = getattr(getattr(view, "func", None), "__self__", None)
    if owner is not None:  # a bound method, on its way through `method_decorator`
        cls = next(cls for cls in type(owner).__mro__ if view.__name__ in vars(cls))
        return f"{cls.__module__}.{cls.__qualname__}.{view.__name__}"
    code = getattr(view, "view_class", None) or getattr(view, "cls", view)
    around = code.__qualname__.rpartition(".")[0]  # DRF's `api_view` sets the name alone
    return ".".join(filter(None, (code.__module__, around, code.__name__)))


def _request(args: tuple[Any, ...]) -> HttpRequest:
    """Return Django's request among the arguments of a view: the first, or the second of a method."""
    for arg in args[:2]:
        request = getattr(arg, "_request", arg)  # DRF's is a wrapper
        if isinstance(request, HttpRequest):
            return request
    raise TypeError("@ratelimit is for views: no request is among the arguments. A Limiter limits everything else.")


def _is_dispatch_of_async(view: Any) -> bool:
    """Return whether *view* is what `method_decorator` makes of a method of an async class-based view."""
    owner = getattr(getattr(view, "func", view), "__self__", None)
    return getattr(view, "__name__", "") == "dispatch" and getattr(owner, "view_is_async", False)
