"""``@lock("invoice:{order.pk}")``: names made from the arguments of a call."""

import inspect
import string
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal

from django_redis_patterns.exceptions import LockTimeout

if TYPE_CHECKING:
    from .lock import Lock

OnBusy = Literal["raise", "skip"]


def locked(lock: "Lock", templates: Sequence[str], function: Callable[..., Any], on_busy: OnBusy) -> Callable[..., Any]:
    """Return *function* as it runs under *lock*. When busy: "raise" `LockTimeout`, or "skip" the call (None)."""
    _check_function(function)
    signature = inspect.signature(function)
    _check_templates(templates, signature, function)

    def of_call(args: Any, kwargs: Any) -> "Lock":
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return lock.renamed([template.format(**bound.arguments) for template in templates])

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with ExitStack() as stack:
            try:
                stack.enter_context(of_call(args, kwargs))
            except LockTimeout:
                if on_busy == "skip":
                    return None
                raise
            return function(*args, **kwargs)

    @wraps(function)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(of_call(args, kwargs))
            except LockTimeout:
                if on_busy == "skip":
                    return None
                raise
            return await function(*args, **kwargs)

    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    return acall if is_async else call


def _check_function(function: Any) -> None:
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if not callable(function) or inspect.isclass(function) or is_generator:
        raise TypeError(f"A lock decorates functions and coroutine functions, not {function!r}: lock inside of it.")


def _check_templates(templates: Sequence[str], signature: inspect.Signature, function: Any) -> None:
    """Find a misspelt name when the module is imported, not at the first call."""
    for template in templates:
        for _, field, _, _ in string.Formatter().parse(template):
            first = field and field.partition(".")[0].partition("[")[0]
            if field is not None and first not in signature.parameters:
                known = ", ".join(signature.parameters) or "none"
                raise TypeError(
                    f"The lock's name {template!r} takes {{{field}}}, which is no argument of {function.__qualname__}. "
                    f"Its arguments: {known}. Braces that are meant as such are written twice."
                )
