"""From the arguments of a call to the text that names it."""

import inspect
import string
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db.models import Model

from django_redis_patterns.core.keys import digest

from .stable import Unstable, path, stable

Key = str | Callable[..., Any]

#: Characters of a call's text that are written out.
_SHORT = 22
#: Whose equal values of one type are the same for ever; 0.0 and -0.0 are not, nor are two equal times or decimals.
PLAIN = frozenset({int, bool, str, bytes, type(None), UUID})


class Arguments:
    """What a function takes, and what of it tells one call from another: all but *ignore*, or what *key* says."""

    def __init__(self, function: Callable[..., Any], key: Key | None, ignore: Iterable[str]) -> None:
        self._where = path(function)
        self._signature = inspect.signature(function)
        self._key = key
        self._ignored = frozenset((ignore,) if isinstance(ignore, str) else ignore)
        parameters = self._signature.parameters
        for name in self._ignored - parameters.keys():
            raise TypeError(f"ignore={name!r} is no argument of {self._where}: it has {_names(parameters)}.")
        if isinstance(key, str):
            self.check(key, "key")
        kinds = {parameter.kind for parameter in parameters.values()}
        self._is_plain = kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD}
        self._defaults = [parameter.default for parameter in parameters.values()]
        #: Whether the arguments say all there is to say: *key* may look elsewhere, and a default may change.
        self.are_told = not callable(key) and all(isinstance(default, Hashable) for default in self._defaults)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return all arguments by name, in the order of the signature. Raises TypeError as the call itself would."""
        if self._is_plain and not kwargs and len(args) <= len(self._defaults):  # bind() takes ten times as long
            values = [*args, *self._defaults[len(args) :]]
            if inspect.Parameter.empty not in values[len(args) :]:
                return dict(zip(self._signature.parameters, values, strict=True))
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments

    def name(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], bound: Mapping[str, Any]) -> str:
        """Return the text of the call: a few numbers, or 22 characters that stand for it, because what a person has
        typed is nobody's to read in a key. Raises TypeError for an argument that has no stable form.
        """
        text = self._text(args, kwargs, bound)
        return text if len(text) <= _SHORT and text.replace(";", "").isalnum() else digest(text)

    def _text(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], bound: Mapping[str, Any]) -> str:
        if isinstance(self._key, str):  # by its parts: "a:b" and "c" are not "a" and "b:c"
            return "".join(stable(self.filled(part, bound)) for part in _parts(self._key))
        if self._key is not None:
            return self._stable("what key= returns", self._key(*args, **kwargs))
        return "".join(self._stable(name, value) for name, value in bound.items() if name not in self._ignored)

    def check(self, template: str, option: str) -> None:
        """Raise TypeError when *template* takes what is no argument: at import, not at the first call."""
        try:
            fields = _fields(template)
        except ValueError as error:
            raise TypeError(f"{option}={template!r} is no template: {error}.") from None
        for field in fields:
            if field not in self._signature.parameters:
                raise TypeError(
                    f"{option}={template!r} takes {{{field}}}, which is no argument of {self._where}: it has "
                    f"{_names(self._signature.parameters)}. Braces that are meant as such are written twice."
                )

    def filled(self, template: str, bound: Mapping[str, Any]) -> str:
        """Return *template* with arguments in it; a model instance is "app.model:pk"."""
        return template.format(**{name: _shown(bound[name]) for name in _fields(template)})

    def _stable(self, name: str, value: Any) -> str:
        try:
            return stable(value)
        except Unstable as what:
            raise TypeError(
                f"{name} of {self._where} is or holds {what}, which nothing names in every process: give its class "
                f'__cache_key__, leave it out with ignore=["{name}"], or say key="..." to name the call.'
            ) from None


class _Row:
    """A model instance in a template: its name, and its attributes."""

    def __init__(self, row: Model) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)

    def __format__(self, spec: str) -> str:
        if self._row.pk is None:
            raise TypeError(f"An unsaved {self._row._meta.label} names nothing: save it first.")
        return format(f"{self._row._meta.label_lower}:{self._row.pk}", spec)


def _shown(value: Any) -> Any:
    return _Row(value) if isinstance(value, Model) else value


def _fields(template: str) -> list[str]:
    found = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    return [field.partition(".")[0].partition("[")[0] for field in found]


def _parts(template: str) -> list[str]:
    """Return each field of *template* as a template."""
    parsed = string.Formatter().parse(template)
    return [
        f"{{{field}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}}}"
        for _, field, spec, conversion in parsed
        if field is not None
    ]


def _names(parameters: Iterable[str]) -> str:
    return ", ".join(parameters) or "none"
