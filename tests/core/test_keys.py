import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from django_redis_patterns.core.keys import LONGEST_PART, digest, key, personal

ANY_TEXT = st.text(max_size=200)


@given(tag=ANY_TEXT, parts=st.lists(ANY_TEXT, max_size=3))
def test_no_text_adds_a_separator_or_moves_the_tag(tag: str, parts: list[str]) -> None:
    """Whatever users write, a key has one tag and exactly the parts it was given."""
    made = key("room", tag, *parts)
    assert made.count("{") == made.count("}") == 1
    assert made.count(":") == 2 + len(parts)
    assert made.isascii()
    assert made.isprintable()
    assert " " not in made


@given(tag=st.text(min_size=1, max_size=200), one=ANY_TEXT, two=ANY_TEXT)
def test_the_tag_alone_decides_the_slot(tag: str, one: str, two: str) -> None:
    """All keys of one object live in one slot."""
    assert key_slot(key("room", tag, one).encode()) == key_slot(key("room", tag, two).encode())


@given(one=st.tuples(ANY_TEXT, ANY_TEXT), two=st.tuples(ANY_TEXT, ANY_TEXT))
def test_distinct_parts_make_distinct_keys(one: tuple[str, str], two: tuple[str, str]) -> None:
    """Two objects never share a key."""
    assert (key("room", *one) == key("room", *two)) == (one == two)


@given(part=st.text(min_size=LONGEST_PART + 1, max_size=3000))
def test_long_parts_are_hashed(part: str) -> None:
    """No user can make keys grow without bound."""
    assert len(key("room", "tag", part)) <= len(key("room", "tag", "")) + LONGEST_PART


@pytest.mark.parametrize("part", ["\ud800", "\x00", "{", "}{", "a:b", "é", "~", " "])
def test_awkward_texts(part: str) -> None:
    """Lone surrogates, control characters and separators are encoded, not refused."""
    assert key("room", part, part).count(":") == 3


def test_a_text_that_looks_hashed_is_no_hash() -> None:
    """The hash of a long text cannot be given as a short one."""
    long = "a" * 500
    assert key("room", f"~{digest(long)}") != key("room", long)


def test_the_prefix_comes_first() -> None:
    """Sites that share a Redis keep apart by PREFIX."""
    assert key("room", "tag", "part") == "redis_patterns:room:{tag}:part"
    with override_settings(REDIS_PATTERNS={"PREFIX": "shop"}):
        assert key("room", "tag") == "shop:room:{tag}"


def test_digest_survives_a_new_secret_and_personal_does_not() -> None:
    """Session ids are hashed without a key, addresses with one from SECRET_KEY."""
    before = digest("x"), personal("x")
    with override_settings(SECRET_KEY="another"):
        after = digest("x"), personal("x")
    assert before[0] == after[0]
    assert before[1] != after[1]
    assert {len(text) for text in (*before, *after)} == {22}
