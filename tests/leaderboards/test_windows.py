"""Windows at the edges of calendars."""

from datetime import UTC, datetime, timedelta, timezone
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
import redis
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from django_redis_patterns.core.keys import key
from django_redis_patterns.leaderboards import Leaderboard
from django_redis_patterns.leaderboards.windows import WINDOWS, Window, following, kept_at, previous, window_at

pytestmark = pytest.mark.permanent_keys("redis_patterns:boards:*")

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Havana",  # the clock goes back over midnight
    "America/Sao_Paulo",  # and skipped midnight in spring
    "Australia/Lord_Howe",  # by half an hour
    "Asia/Kathmandu",  # +05:45
    "Pacific/Apia",  # lost a whole day in 2011
    "Asia/Pyongyang",  # changed by half an hour at half past eleven
]
CHANGES = [
    datetime(2026, 3, 29, 1),
    datetime(2026, 10, 25, 1),
    datetime(2026, 11, 1, 5),
    datetime(2018, 11, 4, 3),
    datetime(2018, 2, 18, 2),
    datetime(2026, 4, 4, 15),
    datetime(2026, 10, 3, 15, 30),
    datetime(2011, 12, 30, 10),
    datetime(2018, 5, 4, 15),
]
moments = st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)) | st.builds(
    lambda change, minutes: change.replace(tzinfo=UTC) + timedelta(minutes=minutes),
    st.sampled_from(CHANGES),
    st.integers(-180, 180),
)


def at(text: str, tz: ZoneInfo = BERLIN, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=tz, fold=fold)


def hours(window: Window) -> float:
    assert window.start
    assert window.end
    return (window.end - window.start) / timedelta(hours=1)


@given(moment=moments, zone=st.sampled_from(ZONES), name=st.sampled_from(WINDOWS))
@settings(max_examples=500)
def test_every_moment_lies_in_one_window(moment: datetime, zone: str, name: str) -> None:
    """Windows follow each other without gap or overlap, and no two have one label."""
    tz = ZoneInfo(zone)
    window = window_at(name, moment, tz)
    assert window.holds(moment)
    if name == "all":
        assert previous(window, tz) == window == following(window, tz)
        return
    before, after = previous(window, tz), following(window, tz)
    assert before.end == window.start
    assert window.end == after.start
    assert before.label != window.label != after.label != before.label
    assert window.start
    assert window.end
    assert window_at(name, window.start, tz) == window == window_at(name, window.end - timedelta(microseconds=1), tz)


@pytest.mark.parametrize(
    ("day", "length"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-24", 24), ("2026-10-25", 25)]
)
def test_a_day_has_23_or_25_hours_when_the_clock_changes(day: str, length: int) -> None:
    """The last second of such a day still counts for it."""
    window = window_at("day", at(f"{day}T23:59:59"), BERLIN)
    assert (window.label, hours(window)) == (day, length)


def test_an_hour_that_comes_twice_is_two_windows() -> None:
    """The fold of 2026-10-25 in Berlin, and the hour before it; winter's 02:30 does not continue summer's."""
    first, second = (window_at("hour", at("2026-10-25T02:30", fold=fold), BERLIN) for fold in (0, 1))
    assert (first.label, second.label) == ("2026-10-25T02+0200", "2026-10-25T02+0100")
    assert first.end == second.start == datetime(2026, 10, 25, 1, tzinfo=UTC)
    assert hours(first) == hours(second) == 1


def test_an_hour_that_the_clock_skips_is_no_window() -> None:
    """After 01:00 comes 03:00."""
    window = window_at("hour", at("2026-03-29T01:59"), BERLIN)
    assert following(window, BERLIN).label == "2026-03-29T03+0200"


def test_an_hour_that_is_half_repeated_is_cut_where_the_clock_changes() -> None:
    """Lord Howe Island goes back by half an hour at two o'clock."""
    island = ZoneInfo("Australia/Lord_Howe")
    first = window_at("hour", at("2026-04-05T01:45", island), island)
    second = window_at("hour", at("2026-04-05T01:45", island, fold=1), island)
    assert [(w.label, hours(w)) for w in (first, second)] == [("2026-04-05T01+1100", 1), ("2026-04-05T01+1030", 0.5)]
    assert first.end == second.start


def test_an_hour_that_the_clock_leaves_is_cut_there() -> None:
    """Pyongyang went from half past eleven to midnight."""
    city = ZoneInfo("Asia/Pyongyang")
    last = window_at("hour", at("2018-05-04T23:15", city), city)
    assert (last.label, hours(last)) == ("2018-05-04T23+0830", 0.5)
    assert following(last, city).label == "2018-05-05T00+0900"


@pytest.mark.parametrize(
    ("day", "label", "start", "end"),
    [
        ("2026-12-31", "2026-W53", "2026-12-28", "2027-01-04"),
        ("2027-01-03", "2026-W53", "2026-12-28", "2027-01-04"),
        ("2027-01-04", "2027-W01", "2027-01-04", "2027-01-11"),
        ("2024-12-30", "2025-W01", "2024-12-30", "2025-01-06"),
    ],
)
def test_a_week_is_an_iso_week(day: str, label: str, start: str, end: str) -> None:
    """At New Year the week belongs to the year of its Thursday."""
    window = window_at("week", at(day), BERLIN)
    assert (window.label, window.start, window.end) == (label, at(start), at(end))


@pytest.mark.parametrize(
    ("day", "label", "end"),
    [
        ("2026-11-30T23:59", "2026-11", "2026-12-01"),
        ("2026-12-31", "2026-12", "2027-01-01"),
        ("2028-02-29", "2028-02", "2028-03-01"),
        ("2026-02-28", "2026-02", "2026-03-01"),
        ("2026-01-31", "2026-01", "2026-02-01"),
    ],
)
def test_a_month_ends_when_it_ends(day: str, label: str, end: str) -> None:
    """Also in December and in leap years."""
    window = window_at("month", at(day), BERLIN)
    assert (window.label, window.end) == (label, at(end))


def test_a_leap_day_is_a_day() -> None:
    """It has its own label."""
    assert window_at("day", at("2028-02-29T12:00"), BERLIN).label == "2028-02-29"


def test_the_day_begins_where_the_board_is() -> None:
    """One moment lies in different days of two zones."""
    moment = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    assert window_at("day", moment, BERLIN).label == "2026-11-24"
    assert window_at("day", moment, UTC).label == "2026-11-23"
    assert window_at("day", moment, timezone(timedelta(hours=-1))).label == "2026-11-23"


@pytest.mark.parametrize(("keep", "end"), [(0, "2026-10-26"), (1, "2026-10-27"), (3, "2026-10-29")])
def test_redis_may_forget_a_window_when_those_kept_have_passed(keep: int, end: str) -> None:
    """The end is counted on the calendar, over the change of the clock."""
    window = window_at("day", at("2026-10-25"), BERLIN, keep)
    assert window.expires_ms == at(end).timestamp() * 1000


def test_kept_are_the_past_ones_this_and_the_next() -> None:
    """A score that counts tomorrow is already on tomorrow's board."""
    kept = kept_at(["all", "month"], at("2026-11-23"), BERLIN, 2)
    assert [window.label for window in kept] == ["ever", "2026-09", "2026-10", "2026-11", "2026-12"]


@pytest.mark.parametrize("name", WINDOWS)
def test_what_is_kept_goes_when_its_window_says(name: str) -> None:
    """Over the change of the clock too."""
    for window in kept_at([name], at("2026-10-25T02:30"), BERLIN, 5):
        assert window == window_at(name, window.start or at("2026-10-25"), BERLIN, 5)


def test_the_ends_of_the_calendar_are_no_windows() -> None:
    """A date may come from an address that anybody can write."""
    for name in ("hour", "day", "week", "month"):
        for moment in (datetime.min, datetime.max):
            with pytest.raises(ValueError, match=r"calendar|keeps 1 past"):
                Leaderboard("quiz", windows=[name], tz="UTC").window(name, at=moment.replace(tzinfo=UTC))


def test_a_window_expires_in_redis_and_all_does_not(bare_redis: redis.Redis) -> None:
    """Every key of a window carries the moment at which it may go."""
    board = Leaderboard("quiz", ties="dense", tiebreak="first", windows=["all", "day"], tz="Europe/Berlin")
    board.add("ann", 7)
    day = board.window("day").shown_window()
    names = [key("boards", "quiz", "day", day.label, *part) for part in ([], ["d"], ["m"])]
    left = [bare_redis.pttl(name) for name in names]
    expected = day.expires_ms - datetime.now(UTC).timestamp() * 1000
    assert all(abs(ms - expected) < 5000 for ms in left)
    assert bare_redis.pttl(key("boards", "quiz", "all", "ever")) == -1


def test_a_window_of_one_keeps_its_expiry(bare_redis: redis.Redis) -> None:
    """Its only member moves, goes and comes back, in one write or in many."""
    board = Leaderboard("quiz", ties="dense", tiebreak="first", windows=["day"])
    board.add("ann", 7)
    board.increment("ann", 1)
    assert sorted(map(bare_redis.pttl, board.keys()))[0] > 0
    board.remove("ann")
    board.add("ben", 7)
    assert sorted(map(bare_redis.pttl, board.keys()))[0] > 0


def test_the_board_moves_on_to_the_next_day() -> None:
    """Scores after midnight count for the new day; the day before stays readable as long as it is kept."""
    board = Leaderboard("quiz", windows=["day", "all"], tz="Europe/Berlin")
    today = datetime.now(BERLIN).replace(hour=12)
    tomorrow, later = today + timedelta(days=1), today + timedelta(days=2)
    board.add("ann", 7)
    with patch("django_redis_patterns.leaderboards.windows.now", lambda: tomorrow):
        assert board.window("day").top() == []
        board.add("ben", 3)
        assert [entry.obj for entry in board.window("day").top()] == ["ben"]
        assert [entry.obj for entry in board.window("day", at=today).top()] == ["ann"]
        assert [entry.obj for entry in board.top()] == ["ann", "ben"]
    with (
        patch("django_redis_patterns.leaderboards.windows.now", lambda: later),
        pytest.raises(ValueError, match="keeps 1 past windows"),
    ):
        board.window("day", at=today)


def test_another_time_is_read_only() -> None:
    """A write counts now, so it goes to no other window."""
    past = Leaderboard("quiz", windows=["day"]).window("day", at=datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(ValueError, match="read only"):
        past.add("ann", 7)


def test_a_removed_member_leaves_the_past_too() -> None:
    """Who goes, goes from every window that Redis may hold."""
    board = Leaderboard("quiz", windows=["hour"], tz="UTC")
    past = datetime.now(UTC) - timedelta(hours=1)
    with patch("django_redis_patterns.leaderboards.windows.now", lambda: past):
        board.add("ann", 7)
    assert board.window("hour", at=past).count() == 1
    assert board.remove("ann").old_rank is None
    assert board.window("hour", at=past).count() == 0


def test_a_moment_has_a_time_zone() -> None:
    """One without is refused where the site works with zones; else it is in Django's zone."""
    board = Leaderboard("quiz", windows=["day"], tz="UTC")
    naive = datetime.now(ZoneInfo("Asia/Tokyo")).replace(tzinfo=None)
    with pytest.raises(ValueError, match="no time zone"):
        board.window("day", at=naive)
    with override_settings(USE_TZ=False, TIME_ZONE="Asia/Tokyo"):
        view = board.window("day", at=naive)
        assert view.at
        assert abs(view.at - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_zone_is_djangos_unless_the_board_says_one() -> None:
    """``TIME_ZONE`` is read when needed."""
    board = Leaderboard("quiz", windows=["day"])
    with patch("django_redis_patterns.leaderboards.windows.now", lambda: datetime(2026, 11, 23, 20, tzinfo=UTC)):
        with override_settings(TIME_ZONE="Asia/Tokyo"):
            assert board.shown_window().label == "2026-11-24"
        with override_settings(TIME_ZONE="UTC"):
            assert board.shown_window().label == "2026-11-23"


@pytest.mark.parametrize("windows", [["dya"], [], ["day", "day"], "weekly"])
def test_windows_that_cannot_be_are_refused(windows: list[str]) -> None:
    """A misspelt one is told what it may be."""
    with pytest.raises(ValueError, match=r"Did you mean 'day'|at least one|Did you mean 'week'"):
        Leaderboard("quiz", windows=windows)
    with pytest.raises(ValueError, match="unknown"):
        Leaderboard("quiz", windows=["day"]).window("week")


def test_a_date_is_no_moment() -> None:
    """Which says what to pass."""
    with pytest.raises(TypeError, match="pass an aware datetime"):
        Leaderboard("runs", windows=["day"]).window("day", at=datetime(2026, 11, 23, tzinfo=UTC).date())  # type: ignore[arg-type]
