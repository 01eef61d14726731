"""One name, one function: results are stored under the name, and must not be taken for those of another function."""

import sys
import warnings
from collections.abc import Callable
from types import CodeType
from typing import Any

from .stable import path

_known: dict[str, tuple[Any, CodeType]] = {}


def claim(function: Callable[..., Any]) -> None:
    """Raise TypeError when another function of the same module has that name, as two lambdas have.

    Warn of a function inside of another one that is decorated again: what it takes from around it tells no call from
    another. A module that is loaded again, and a notebook, may define everything anew.
    """
    name, code = path(function), getattr(function, "__code__", None)
    loaded = getattr(sys.modules.get(function.__module__), "__spec__", None)
    if code is None or loaded is None:
        return
    before = _known.get(name)
    _known[name] = (loaded, code)
    if before is None or before[0] is not loaded:
        return
    if before[1] != code:
        raise TypeError(
            f"Two cached functions are called {name}, on lines {before[1].co_firstlineno} and {code.co_firstlineno}: "
            "the results of one would be served as the other's. Give one of them another name."
        )
    if around := [variable for variable in code.co_freevars if variable != "__class__"]:
        warnings.warn(
            f"{name} closes over {', '.join(around)}, which tells none of its calls from another, and is decorated "
            "again: the results of the first are served for the second. Make it an argument.",
            RuntimeWarning,
            stacklevel=4,
        )
