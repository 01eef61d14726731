import os
import pickle
from collections import OrderedDict
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from django.utils.safestring import SafeString
from hypothesis import given
from hypothesis import strategies as st

from django_redis_patterns.core import serializers
from django_redis_patterns.core.serializers import MAC_BYTES, Json, Seal, SignedPickle, StrictJson
from django_redis_patterns.exceptions import SerializationError

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("añ☃\n\x00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
ALL: list[serializers.Serializer] = [Json(), StrictJson(), SignedPickle("test")]


class Gadget:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("serializer", ALL, ids=lambda s: type(s).__name__)
@given(value=JSON_VALUES)
def test_round_trip(serializer: serializers.Serializer, value: Any) -> None:
    """What JSON can tell comes back as it was."""
    assert serializer.loads(serializer.dumps(value)) == value


@pytest.mark.parametrize("serializer", ALL, ids=lambda s: type(s).__name__)
@given(data=st.binary(max_size=200))
def test_strange_bytes(serializer: serializers.Serializer, data: bytes) -> None:
    """Foreign bytes give a value or SerializationError, and nothing else."""
    for given_bytes in (data, b"j" + data, b"p" + data):
        with suppress(SerializationError):
            serializer.loads(given_bytes)


@given(flip=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed(flip: int, bit: int) -> None:
    """No bit of a signed pickle can be changed."""
    data = bytearray(SignedPickle("test").dumps({"a": [1, 2, 3]}))
    data[flip % len(data)] ^= 1 << bit
    with pytest.raises(SerializationError):
        SignedPickle("test").loads(bytes(data))


def test_a_gadget_does_not_run(tmp_path: Path) -> None:
    """Whoever can write to Redis cannot run code: an unsigned pickle is never loaded."""
    body = pickle.dumps(Gadget(tmp_path / "pwned"))
    for data in (body, b"p" + body, b"p" + b"\x00" * MAC_BYTES + body, b"p" + Seal("other").sign(body)):
        with pytest.raises(SerializationError):
            SignedPickle("test").loads(data)
    assert not (tmp_path / "pwned").exists()


def test_a_signature_belongs_to_site_and_purpose() -> None:
    """What another purpose or another SECRET_KEY signed is refused."""
    data = SignedPickle("test").dumps(1)
    with pytest.raises(SerializationError):
        SignedPickle("other").loads(data)
    with override_settings(SECRET_KEY="another"), pytest.raises(SerializationError):
        SignedPickle("test").loads(data)
    for mine, other in ((b"a", b"b"), (b"a", b""), (b"", b"0:")):
        with pytest.raises(SerializationError):
            SignedPickle("test").loads(SignedPickle("test").dumps(1, mine), other)


def test_a_new_secret_key_does_not_spoil_what_the_old_one_signed() -> None:
    """While Django knows the old one (``SECRET_KEY_FALLBACKS``), and no longer."""
    with override_settings(SECRET_KEY="old"):
        data = SignedPickle("test").dumps(1, b"a")
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["older", "old"]):
        assert SignedPickle("test").loads(data, b"a") == 1
        with pytest.raises(SerializationError):
            SignedPickle("test").loads(data, b"b")


def test_names_leave_nothing_in_memory() -> None:
    """There is one for each stored value."""
    kept = serializers._keyed.cache_info().currsize
    for number in range(100):
        SignedPickle("test").dumps(1, b"%d" % number)
    assert serializers._keyed.cache_info().currsize <= kept + 1


class Id(int):
    """Looks like an int in every way but its type."""


@pytest.mark.parametrize(
    "value",
    [
        *((1, 2), {1: "a"}, date(2026, 1, 1), [(1,)], {"a": {2: 3}}, float("nan"), [float("nan")]),
        *(Id(1), [Id(1)], SafeString("<b>"), {"a": SafeString("<b>")}, {SafeString("a"): 1}, OrderedDict(a=1)),
    ],
)
def test_strict_json_refuses_what_would_change(value: Any) -> None:
    """A value that would come back as something else is refused when it is stored."""
    with pytest.raises(SerializationError):
        StrictJson().dumps(value)


@pytest.mark.parametrize("value", [object(), {1, 2}, "\ud800", [[]]])
def test_unstorable_values(value: Any) -> None:
    """What cannot be stored is SerializationError, whatever the encoder raised."""
    deep: Any = value
    if value == [[]]:
        for _ in range(200_000):
            deep = [deep]
    for serializer in (Json(), StrictJson()):
        with pytest.raises(SerializationError):
            serializer.dumps(deep)


def test_unpicklable_value() -> None:
    """What cannot be pickled is SerializationError."""
    with pytest.raises(SerializationError):
        SignedPickle("test").dumps(lambda: None)


def test_size_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing over the limit is stored or read."""
    monkeypatch.setattr(serializers, "LARGEST", 10)
    for serializer in ALL:
        with pytest.raises(SerializationError, match="limit"):
            serializer.dumps("x" * 20)
    with pytest.raises(SerializationError, match="limit"):
        Json().loads(b'j"' + b"x" * 20 + b'"')
