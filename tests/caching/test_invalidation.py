"""What was invalidated is never served again: by arguments, tags, models and rows, in and around transactions."""

import asyncio
import sqlite3

import pytest
from django.db import connection, transaction
from django.db.models.signals import post_save
from django.test import TestCase
from django.utils.functional import SimpleLazyObject

from django_redis_patterns.caching import (
    ainvalidate,
    ainvalidate_tags,
    cached,
    fetch,
    invalidate,
    invalidate_tags,
    owed,
    transactions,
)
from django_redis_patterns.caching.place import Tag
from django_redis_patterns.core import commit, trace
from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.testing.commit import committed
from django_redis_patterns.testing.servers import free_port
from tests.core.desks import connected, until
from tests.shelves.models import Atlas, Author, Book, Critic, Favourite, Genre, Loan, Note, Person, Poet

from .conftest import running

BOOKS = {"depends_on": [Book]}

WAYS = {
    "arguments": ({}, lambda f: f.invalidate(1)),
    "arguments, async": ({}, lambda f: running(f.ainvalidate(1))),
    "tag": ({"tags": ["books", "n:{a}"]}, lambda f: invalidate_tags("n:1")),
    "tag, async": ({"tags": ["books", "n:{a}"]}, lambda f: running(ainvalidate_tags("books"))),
    "model": (BOOKS, lambda f: invalidate(Book)),
    "model, async": (BOOKS, lambda f: running(ainvalidate(Book))),
    "row": ({"depends_on": ["shelves.Book:{a}"]}, lambda f: invalidate(Book(pk=1))),
    "row of a model": ({"depends_on": ["shelves.Book:{a}"]}, lambda f: invalidate(Book)),
    "set": ({}, lambda f: f.set(1000, 1)),
    "refresh": ({}, lambda f: f.refresh(1)),
}


class TestEveryWay:
    @pytest.mark.parametrize("way", WAYS)
    def test_it_is_gone(self, make, way):
        options, act = WAYS[way]
        made = make(**options)
        assert made(1) == made(1) == 1
        act(made.f)
        assert made(1) != 1
        assert made(1) == made(1)

    @pytest.mark.parametrize("way", WAYS)
    def test_a_call_on_its_way_is_beaten(self, make, away, way):
        """It began before, so it may have read what has changed since: its caller gets it, and nobody else."""
        options, act = WAYS[way]
        made = make(**options)
        made.gate.clear()
        slow = away(made, 1)
        made.until_called(1)
        acting = away(act, made.f)
        if way != "refresh":
            acting.result(10)
        else:
            made.until_called(2)
        later = away(made, 1)
        made.gate.set()
        acting.result(10)
        assert slow.result(10) == 1
        assert later.result(10) != 1
        assert made(1) != 1

    def test_others_stay(self, make):
        made = make(tags=["n:{a}", "all"])
        assert [made(1), made(2), made("1")] == [1, 2, 3]
        made.f.invalidate(1)
        assert [made(1), made(2), made("1")] == [4, 2, 3]
        invalidate_tags("n:2", "n:7")
        assert [made(1), made(2), made("1")] == [4, 5, 3]
        invalidate_tags("all")
        assert [made(1), made(2), made("1")] == [6, 7, 8]

    def test_a_tag_may_be_evicted(self, make, bare_redis):
        """Then what it was on is a miss: never stale."""
        made = make(tags=["t"])
        made(1)
        bare_redis.delete(made.f.call_of(1).tags[0].key)
        assert made(1) == made(1) == 2
        invalidate_tags("t")
        bare_redis.delete(made.f.call_of(1).tags[0].key)
        assert made(1) == made(1) == 3

    def test_a_nonce_outlives_what_has_it(self, make, bare_redis):
        made, longer = make(tags=["t"], ttl=10), make(tags=["t"], ttl=100, stale=50)
        made(1)
        longer(5)
        made(2)
        assert bare_redis.pttl(made.f.call_of(1).tags[0].key) > 150_000

    def test_a_nonce_that_was_invalidated_never_comes_back(self, bare_redis, make_plain):
        """Not even when the command that made it runs a second time, because its reply was lost."""
        from django_redis_patterns.caching.leases import NONCES
        from django_redis_patterns.core.connections import client

        tag = make_plain(tags=["t"]).f.call_of(1).tags[0].key
        run = lambda: client().execute_command("EVAL", NONCES.text, 1, tag, "seed", 1000)  # noqa: E731
        first = run()
        assert run() == first
        invalidate_tags("t")
        assert run() != first

    def test_one_trip_for_a_thousand_tags(self, one_node, make):
        made = make(tags=["n:{a}"])
        made.f.many([(n,) for n in range(20)])
        with trace.record() as log:
            invalidate_tags(*(f"n:{n}" for n in range(1200)))
        assert (log.trips, len(log.commands)) == (1, 3)
        assert [made.f.peek(n) for n in range(20)] == [None] * 20

    def test_what_cannot_be_invalidated(self):
        for wrong in (7, "books", int, None):
            with pytest.raises(TypeError, match="Models and saved instances"):
                invalidate(wrong)
        with pytest.raises(TypeError, match="not saved"):
            invalidate(Book())
        with pytest.raises(TypeError, match="A tag is a text"):
            invalidate_tags(Book)

    def test_redis_away(self):
        """Outside of a transaction, who invalidates hears that it was not done."""
        with connected(HOST="127.0.0.1", PORT=free_port()), pytest.raises(RedisUnavailable):
            invalidate_tags("t")


@pytest.fixture
def made(make):
    """It depends on all books, and has been called."""
    made = make(depends_on=[Book])
    made()
    return made


@pytest.fixture
def early_receiver():
    """Has a function called by each save of a book, before anybody else hears of it."""
    signal, seen = post_save, []
    kept = signal.receivers

    def call(function):
        signal.receivers = []
        signal.connect(lambda **_: seen.append(function()), sender=Book, weak=False)
        signal.receivers += kept
        return seen

    yield call
    signal.receivers = kept
    signal.sender_receivers_cache.clear()


def nothing():
    pass


def invalidate_nothing(*targets):
    pass


def is_gone(made):
    was_made = made.made
    made()
    return made.made > was_made


@pytest.mark.django_db(transaction=True)
class TestModels:
    @pytest.mark.parametrize(
        "change",
        [
            lambda book: book.save(),
            lambda book: book.delete(),
            lambda book: Book.objects.create(title="new"),
            lambda book: Book.objects.update(title="x"),
            lambda book: Book.objects.filter(pk=book.pk).delete(),
            lambda book: Book.objects.bulk_create([Book(title="y")]),
            lambda book: Book.objects.bulk_update([book], ["title"]),
            lambda book: Favourite.objects.get().save(),
            lambda book: Favourite.objects.update(title="x"),
            lambda book: Atlas.objects.create(title="z"),
            lambda book: book.genres.add(Genre.objects.get()),
            lambda book: Genre.objects.get().books.add(book),
            lambda book: Author.objects.get().books.add(book),
            lambda book: Author.objects.get().books.create(title="n"),
            lambda book: Author.objects.get().books.set([book]),
            lambda book: asyncio.run(book.asave()),
        ],
    )
    def test_every_change_is_noticed(self, made, change):
        Author.objects.create(), Genre.objects.create()
        book = Book.objects.create(title="a")
        made()
        change(book)
        assert is_gone(made)

    def test_a_cascade(self, made):
        Author.objects.create().books.create(title="a")
        made()
        Author.objects.get().delete()
        assert is_gone(made)

    def test_what_a_deletion_leaves_behind(self, make):
        """Rows whose foreign key it sets to NULL have changed, and Django tells nobody."""
        made = make(depends_on=[Loan])
        for kind in (Person, Critic):
            Loan.objects.create(reader=kind.objects.create())
            made()
            kind.objects.all().delete()
            assert is_gone(made), kind

    def test_generic_relations(self, make):
        made, book, note = make(depends_on=["shelves.Note"]), Book.objects.create(), Note.objects.create()
        made()
        book.notes.add(note)
        assert is_gone(made)
        book.notes.clear()
        assert is_gone(made)

    def test_others_changes_are_not(self, made):
        Author.objects.create(), Genre.objects.create(), Author.objects.all().delete()
        Book.objects.filter(pk=0).update(title="nobody")
        Book.objects.bulk_create([])
        assert not is_gone(made)

    def test_by_name_and_through_a_proxy(self, make):
        for model in ("shelves.Book", Favourite, [Book], "shelves.book", "shelves.Favourite"):
            made = make(depends_on=model)
            made()
            Book.objects.create()
            assert is_gone(made), model

    def test_parents_and_children_are_one_row(self, make):
        """What depends on a child is invalidated by its parent, and the other way round."""
        atlas = Atlas.objects.create()
        for model in (Atlas, "shelves.Atlas", [f"shelves.Atlas:{atlas.pk}"]):
            made = make(depends_on=model)
            made()
            Book.objects.get().save()
            assert is_gone(made), model
            Book.objects.update(title="x")
            assert is_gone(made), model

    def test_a_parent_whose_child_is_depended_on(self, make):
        made = make(depends_on=[Critic])
        Critic.objects.create()
        made()
        Person.objects.get().save()
        assert is_gone(made)

    def test_a_model_that_was_there_before(self, make):
        """Its proxies are followed, too."""
        made = make(depends_on=[Author])
        made()
        Poet.objects.create()
        assert is_gone(made)

    def test_a_row(self, make):
        """Others' changes leave it alone; a change of many rows does not."""
        made = make(depends_on=["shelves.Book:{a.pk}"])
        one, other = Book.objects.create(), Book.objects.create()
        made(one), made(other)
        other.save()
        assert (made(one), made(other)) == (1, 3)
        invalidate(SimpleLazyObject(lambda: one))
        assert (made(one), made(other)) == (4, 3)
        Book.objects.update(title="x")
        assert (made(one), made(other)) == (5, 6)

    def test_a_row_in_a_template(self, make):
        book = Book.objects.create()
        made = make(tags=["{a}"])
        made(book)
        assert [tag.name for tag in made.f.call_of(book).tags] == [f"shelves.book:{book.pk}"]
        book.save()
        assert made(book) == 2

    def test_redis_away_at_the_commit(self, made, caplog):
        """A committed change is no error; the log tells."""
        with connected(HOST="127.0.0.1", PORT=free_port()):
            Book.objects.create()
        assert "did not reach Redis" in caplog.text

    def test_what_did_not_arrive_is_made_good(self, made, fault_proxy):
        """When Redis is back; until then this process does not read it."""
        with connected(URL=fault_proxy.url, TIMEOUT=0.25, CONNECT_TIMEOUT=0.2):
            fault_proxy.refuse()
            fault_proxy.reset()
            Book.objects.create()
            assert owed.is_owed(made.f.call_of().tags)
            fault_proxy.heal()
            was_made = made.made
            made()
            assert made.made > was_made
            until(lambda: not owed._owed)
            was_made = made.made
            made()
            assert made.made == was_made + 1
            until(lambda: owed._thread is None)

    def test_what_is_owed_is_not_looked_at(self, made):
        """Nor are its copies, whenever they came."""
        near = cached(ttl=60, near=True, depends_on=[Book])(nothing)
        until(lambda: near() is None and fetch.at_hand(near.call_of()))
        owed.owe([made.f.call_of().tags[0]], invalidate_nothing)
        assert made.f.peek() is None
        assert fetch.at_hand(near.call_of()) is None
        invalidate(Book)
        made()
        assert made.f.peek() is not None
        until(lambda: owed._thread is None)

    def test_who_pays_goes_on_whatever_happens(self, made, monkeypatch, caplog):
        """Else what it owes would be away for ever."""
        monkeypatch.setattr(owed, "AGAIN", 0.05)
        paying = iter([ZeroDivisionError, RedisUnavailable("default", "away", ambiguous=True)])

        def pay(*targets):
            error = next(paying, None)
            if error:
                raise error
            owed.paid(targets)

        owed.owe(made.f.call_of().tags, pay)
        until(lambda: owed._thread is None)
        assert not owed._owed
        assert "could not be made good" in caplog.text

    def test_a_debt_is_paid_once(self, made):
        """By whoever invalidates the same thing first."""
        paying = []
        owed.owe(made.f.call_of().tags, lambda *targets: paying.append(targets))
        invalidate(Book)
        assert not owed._owed
        until(lambda: owed._thread is None)
        assert paying in ([], [made.f.call_of().tags])

    def test_debts_have_a_bound(self, made, monkeypatch):
        monkeypatch.setattr(owed, "MOST", 2)
        tags = [Tag("default", str(n)) for n in range(3)]
        owed.owe(tags, invalidate_nothing)
        assert [owed.is_owed([tag]) for tag in tags] == [True, True, False]
        owed.paid(tags)

    def test_a_transaction_by_hand(self, made):
        """Nobody tells when it commits: it is invalidated at once, and the change goes on."""
        transaction.set_autocommit(False)
        try:
            Book.objects.create()
            transaction.commit()
        finally:
            transaction.set_autocommit(True)
        assert is_gone(made)


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
class TestTransactions:
    def test_at_the_commit_and_not_before(self, make_plain, away):
        """Others still see what is committed; afterwards nobody sees what was before."""
        made = make_plain(depends_on=[Book], tags=["t"])
        made(1), made(2)
        with transaction.atomic():
            Book.objects.create()
            made.f.invalidate(1)
            invalidate_tags("t")
            assert away(made, 2).result() == 2
        assert made(2) == 3

    def test_one_trip_for_a_commit(self, one_node, make_plain):
        made = make_plain(depends_on=[Book])
        made(1)
        with trace.record() as log, transaction.atomic():
            for _ in range(5):
                Book.objects.create()
            made.f.invalidate(1)
            made.f.invalidate(2)
            invalidate_tags("a", "b")
        assert (log.trips, len(log.commands)) == (1, 3)  # two places, and all tags in one

    def test_not_on_rollback(self, made):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Book.objects.create()
            raise ZeroDivisionError
        assert not is_gone(made)

    def test_a_savepoint_takes_its_share_with_it(self, make_plain):
        made, tagged = make_plain(depends_on=[Book]), make_plain(tags=["t"])
        made(), tagged(1)
        with transaction.atomic():
            invalidate_tags("t")
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                Book.objects.create()
                invalidate_tags("t")
                raise ZeroDivisionError
        assert not is_gone(made)
        assert tagged(1) == 2

    def test_what_a_savepoint_said_first_is_said_once_more(self, make_plain):
        """The outer one's share stays when the inner one's goes, and the other way round."""
        made = make_plain(depends_on=[Book])
        made()
        with transaction.atomic():
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                Book.objects.create()
                raise ZeroDivisionError
            Book.objects.create()
        assert is_gone(made)

    def test_now(self, make_plain):
        made = make_plain(tags=["t"])
        made(1)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            invalidate_tags("t", now=True)
            raise ZeroDivisionError
        assert made.f.peek(1) is None

    def test_ones_own_changes_are_seen(self, make_plain, away):
        """A transaction that has changed something does not read what is stored of it, and does not store it."""
        count = cached(ttl=60, depends_on=[Book])(lambda: Book.objects.count())
        assert count() == 0
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Book.objects.create()
            assert count() == 1
            assert count.refresh() == 1
            assert count.many([()]) == [1]
            assert count.peek() == 0
            raise ZeroDivisionError
        assert count() == 0
        assert count.stats().bypassed == 2

    def test_who_asks_while_a_row_is_written_sees_it_and_stores_nothing(self, early_receiver):
        """As a receiver of the signal that was connected before ours."""
        count = cached(ttl=60, depends_on=[Book])(lambda: Book.objects.count())
        seen = early_receiver(count)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Book.objects.create()
            raise ZeroDivisionError
        assert (seen, count()) == ([1], 0)

    def test_on_any_database(self, make_plain, away):
        """Without being told, it waits for whatever is open."""
        made = make_plain(tags=["t"])
        made(1)
        with transaction.atomic(using="other"):
            invalidate_tags("t")
            assert away(made, 1).result() == 1
            assert made(1) == 2  # one's own change
        assert made(1) == 3
        with transaction.atomic(), pytest.raises(ZeroDivisionError), transaction.atomic(using="other"):
            made.f.invalidate(1)
            raise ZeroDivisionError
        assert made(1) == 4
        with transaction.atomic(using="other"):
            invalidate_tags("t", using="default")
            assert away(made, 1).result() == 5

    def test_nothing_of_them_is_stored_by_set(self):
        """Nobody else may see them, and a rollback would leave them there."""
        count = cached(ttl=60, depends_on=[Book])(lambda: Book.objects.count())
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Book.objects.create()
            count.set(1)
            raise ZeroDivisionError
        assert count() == 0

    def test_so_are_those_of_a_savepoint_until_it_is_rolled_back(self):
        count = cached(ttl=60, depends_on=[Book])(lambda: Book.objects.count())
        count()
        with transaction.atomic(), trace.record() as log:
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                Book.objects.create()
                assert count() == 1
                raise ZeroDivisionError
            assert log.trips == 0
            assert count() == 0
            assert log.trips == 1

    def test_unrelated_changes_do_not_matter(self, made):
        with transaction.atomic():
            Author.objects.create()
            assert not is_gone(made)

    def test_a_long_transaction_makes_no_look_longer(self, make_plain, monkeypatch):
        """What it has left is read once, and not at each look into the cache."""
        made, other, read = make_plain(depends_on=[Book]), make_plain(), []
        made(), other(1)
        monkeypatch.setattr(commit, "isinstance", lambda *of: read.append(1) or isinstance(*of), raising=False)
        with transaction.atomic():
            for _ in range(50):
                Book.objects.create()
            read.clear()
            for _ in range(20):
                other(1)
            assert 100 <= len(read) <= 50 * 4
            assert is_gone(made)
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                invalidate_tags("x")
                raise ZeroDivisionError
            assert is_gone(made)

    def test_an_old_view_is_not_stored(self, make_plain, monkeypatch):
        """Where a transaction reads what was there when it began, what it computes may be old already."""
        made = make_plain()
        monkeypatch.setattr(transactions, "_has_snapshot", lambda connection: True)
        with transaction.atomic():
            assert [made(1), made(1)] == [1, 2]
            assert made.f.many([(1,), (2,)]) == [3, 4]
            assert made.f.refresh(1) == 5
        assert [made(1), made(1)] == [6, 6]
        with transaction.atomic():
            assert made(1) == 6

    @pytest.mark.parametrize(
        ("vendor", "level", "is_old"),
        [
            ("mysql", "read committed", False),
            ("mysql", "repeatable read", True),
            ("mysql", None, True),
            ("postgresql", None, False),
            ("oracle", None, False),
        ],
    )
    def test_whose_view_is_old(self, vendor, level, is_old):
        stub = type("Stub", (), {"vendor": vendor, "isolation_level": level, "settings_dict": {}})
        assert transactions._has_snapshot(stub) is is_old

    def test_levels_of_postgresql_are_enums(self):
        for name, is_old in [("READ_COMMITTED", False), ("REPEATABLE_READ", True), ("SERIALIZABLE", True)]:
            level = type("Level", (), {"name": name})
            stub = type("Stub", (), {"vendor": "postgresql", "isolation_level": level, "settings_dict": {}})
            assert transactions._has_snapshot(stub) is is_old

    def test_wal(self, tmp_path):
        """Whoever has set it, and whenever: the file remembers."""
        before = sqlite3.connect(tmp_path / "file")
        before.execute("PRAGMA journal_mode=WAL")
        before.close()
        raw = sqlite3.connect(tmp_path / "file")
        assert transactions._has_snapshot(type("Stub", (), {"vendor": "sqlite", "connection": raw}))
        raw.close()
        with transaction.atomic():
            assert not transactions._has_snapshot(connection)


class TestInATest(TestCase):
    """In a transaction that never ends."""

    def test_committed(self):
        count = cached(ttl=60, depends_on=[Book])(lambda: Book.objects.count())
        assert count() == 0
        with committed():
            Book.objects.create()
        assert count() == 1
        with trace.record() as log:
            assert count() == 1
        assert log.trips == 1
