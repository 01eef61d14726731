"""Locks and Django: rows, transactions, management commands."""

import io
import re

import pytest
from asgiref.sync import async_to_sync
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext, override_settings

from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.locks import (
    LockLost,
    LockTimeout,
    OnlyOne,
    ReleasedBeforeCommit,
    StaleFence,
    fencing,
    lock,
    semaphore,
)
from django_redis_patterns.locks.place import owner
from django_redis_patterns.testing.servers import free_port
from tests.core.desks import until
from tests.vault.models import Account, Savings


@pytest.fixture
def account(db):
    return Account.objects.create(owner="ada", balance=1)


def balance():
    return Account.objects.values_list("balance", flat=True).get()


class TestRows:
    def test_a_row_by_its_primary_key(self, account):
        with lock(account) as held:
            assert held.name == f"vault.account:{account.pk}"
        with lock([account, "other"]) as held:
            assert held.name == f"other, vault.account:{account.pk}"

    def test_a_row_that_is_not_saved(self, db):
        with pytest.raises(ValueError, match="save it before it is locked"):
            lock(Account())

    def test_a_newer_fence_wins(self, account):
        """Who held the lock before, and wakes up late, writes nothing."""
        early = lock(account).acquire()
        early.release()
        stale = Account.objects.get()
        with lock(account) as held:
            account.balance = 2
            held.save(account)
            assert account.fence == held.fence
        stale.balance = 9
        with pytest.raises(StaleFence, match="was not written"):
            fencing.save(stale, early.fence)
        with pytest.raises(LockLost):
            early.save(stale)
        assert balance() == 2
        assert stale.fence == 0

    def test_all_that_a_save_does(self, account, django_assert_num_queries):
        """``auto_now``, ``update_fields``, rows in two tables, and new rows."""
        before = account.changed_at
        with lock(account) as held:
            account.balance, account.owner = 5, "bob"
            held.save(account, update_fields=["balance", "changed_at"])
            account.refresh_from_db()
            assert (account.balance, account.owner, account.fence) == (5, "ada", held.fence)
            assert account.changed_at > before
            savings = Savings(owner="eve")
            held.save(savings)
            savings.rate = 3
            held.save(savings)
            savings.refresh_from_db()
            assert (savings.rate, savings.fence) == (3, held.fence)

    def test_a_row_that_somebody_has_made_meanwhile(self, account):
        """An instance that was not read compares its fence all the same."""
        with lock(account) as held:
            held.save(account)
        with pytest.raises(StaleFence):
            fencing.save(Account(pk=account.pk, owner="eve", balance=9), held.fence - 1)
        fencing.save(Account(pk=account.pk, owner="eve", balance=9), held.fence + 1)
        assert balance() == 9

    def test_a_row_in_two_tables_is_claimed_by_one_statement(self, db):
        """What reads first and writes then could be overtaken in between."""
        savings = Savings.objects.create(owner="eve")
        with lock(savings) as held, CaptureQueriesContext(connection) as queries:
            held.save(savings)
        statements = [query["sql"] for query in queries if not query["sql"].startswith(("SAVEPOINT", "BEGIN"))]
        assert statements[0].startswith('UPDATE "vault_account" SET "fence"')

    def test_the_same_fence_writes_again(self, account):
        with lock(account) as held:
            for number in range(3):
                account.balance = number
                held.save(account)
        assert balance() == 2

    def test_no_older_fence_writes_after_what_was_read(self, account):
        """Who lost the lock might still write between another one's reading and writing."""
        early = lock(account).acquire()
        early.release()
        mine = Account.objects.get()
        with lock(account) as held:
            held.refresh(mine)
            with pytest.raises(StaleFence):
                fencing.save(account, early.fence)
            mine.balance += 1
            held.save(mine)
        assert balance() == 2
        with pytest.raises(StaleFence):
            fencing.refresh(mine, early.fence)

    def test_from_a_coroutine(self, account):
        async def main():
            async with lock(account) as held:
                await held.arefresh(account)
                account.balance = 7
                await held.asave(account)
            await adisconnect()

        async_to_sync(main)()
        assert balance() == 7

    def test_a_row_that_is_gone(self, account):
        with lock(account) as held:
            Account.objects.all().delete()
            with pytest.raises(StaleFence, match="it is gone"):
                held.save(account)

    def test_a_model_without_a_fence(self, db, django_user_model):
        user = django_user_model.objects.create(username="ada")
        with lock(user) as held, pytest.raises(TypeError, match=r"derive it from .*FencedModel"):
            held.save(user)

    def test_a_save_that_fails_leaves_the_fence_alone(self, account):
        with lock(account) as held:
            account.balance = "no number"
            with pytest.raises(ValueError, match="no number"):
                held.save(account)
            assert account.fence == 0
        assert Account.objects.get().fence == 0


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_lock_begin_commit_release(self, away):
        """The next one in sees what the one before has written."""
        Account.objects.create(owner="ada", balance=1)
        waiting = None
        with lock("account").atomic() as held:
            assert connection.in_atomic_block
            Account.objects.update(balance=2)
            held.check()
            with pytest.raises(LockTimeout):
                away(lock("account", wait=0).acquire).result()
            waiting = away(lock("account").acquire)
            until(lambda: len(lock("account").holders()) == 1 and waiting.running())
        assert not connection.in_atomic_block
        waiting.result().release()
        assert balance() == 2

    def test_an_error_rolls_back(self, left_over):
        Account.objects.create(owner="ada", balance=1)
        with pytest.raises(ZeroDivisionError), lock("account").atomic():
            Account.objects.update(balance=1 // Account.objects.exclude(balance=1).count())
        assert balance() == 1
        assert left_over() == []

    def test_a_lost_lock_rolls_back(self, bare_redis):
        """A commit of which nobody knows whether it was alone does not happen."""
        Account.objects.create(owner="ada", balance=1)
        with pytest.raises(LockLost), lock("account", ttl=0.5).atomic() as held:
            Account.objects.update(balance=2)
            bare_redis.flushall()
            until(lambda: held.lost)
        assert balance() == 1

    def test_inside_of_another_transaction(self, left_over):
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"), lock("account").atomic():
            pass
        assert left_over() == []

    def test_released_before_the_commit(self):
        """A plain lock in a transaction: what was written is not there yet for the next one."""
        told = pytest.warns(ReleasedBeforeCommit, match=r"lock\('account'\).atomic\(\)")
        with transaction.atomic(), told, lock("account"):
            pass
        with lock("account"), transaction.atomic():
            pass

    def test_as_a_decorator(self):
        @lock("account").atomic()
        def pay():
            assert connection.in_atomic_block
            return 7

        assert (pay(), pay()) == (7, 7)


@pytest.mark.django_db
def test_the_transaction_of_a_test_is_none():
    """Code under Django's TestCase may lock."""
    with lock("account"):
        pass


class Command(OnlyOne, BaseCommand):
    ran = 0

    def add_arguments(self, parser):
        parser.add_argument("--fail", action="store_true")

    def handle(self, *args, fail, **options):
        self.held.check()
        if fail:
            raise CommandError("no")
        Command.ran += 1
        self.stdout.write("done")


class Patient(Command):
    lock_options = {"wait": 20}

    def get_lock_name(self, **options):
        return f"patient:{options['fail']}"


class TestOnlyOne:
    NAME = f"command:{__name__}"

    def test_it_runs(self, left_over):
        out = io.StringIO()
        call_command(Command(), stdout=out)
        assert out.getvalue() == "done\n"
        assert left_over() == []

    def test_another_run_is_skipped(self, away):
        """Says who is at it, and that is no failure."""
        out, before = io.StringIO(), Command.ran
        with lock(self.NAME):
            away(lambda: call_command(Command(), stdout=out)).result()
        assert re.fullmatch(rf"skipped: held by {re.escape(owner())} since \d\d:\d\d:\d\d\n", out.getvalue())
        assert Command.ran == before

    def test_it_may_wait(self, away):
        out = io.StringIO()
        with lock("patient:False"):
            waiting = away(lambda: call_command(Patient(), stdout=out))
            until(waiting.running)
        waiting.result()
        assert out.getvalue() == "done\n"

    def test_a_failure_releases(self, left_over):
        with pytest.raises(CommandError, match="no"):
            call_command(Command(), fail=True)
        assert left_over() == []


class TestManageRedisLocks:
    def told(self, *args):
        out = io.StringIO()
        call_command("redis", "locks", *args, stdout=out)
        return out.getvalue()

    def test_redis_is_away(self):
        """An error in a line, as of every command of ours."""
        away = {"CONNECTIONS": {"default": {"URL": f"redis://127.0.0.1:{free_port()}/0"}}}
        with (
            override_settings(REDIS_PATTERNS=away),
            pytest.raises(CommandError, match="'default' is unavailable"),
        ):
            self.told()

    def test_nothing(self):
        assert self.told() == "Nothing is held, and nobody waits.\n"
        assert self.told("--json") == "[]\n"

    def test_who_holds_and_who_waits(self, away, queue):
        with lock("a *[ü]") as held, semaphore("thumbs", limit=2):
            waiting = away(lock("a *[ü]").acquire)
            until(lambda: queue(lock("a *[ü]")) == 1)
            text = self.told()
            document = self.told("--json")
        waiting.result().release()
        day = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
        assert re.fullmatch(
            rf"a \*\[ü\]\n    held by {re.escape(owner())} since {day}, fence {held.fence}\n"
            rf"    1\. waits: {re.escape(owner())} since {day}\n"
            rf"thumbs  \(semaphore\)\n    held by {re.escape(owner())} since {day}, fence \d+\n",
            text,
        )
        assert f'"fence": {held.fence}' in document

    def test_many(self):
        """More than are read at once."""
        held = [lock(f"lock {number:03}").acquire() for number in range(120)]
        assert self.told().count("held by") == 120
        for one in held:
            one.release()

    def test_release_by_force(self, away, queue):
        held = lock("orders", ttl=3).acquire()
        waiting = away(lock("orders").acquire)
        until(lambda: queue(lock("orders")) == 1)
        assert re.match(rf"orders: released, was held by {re.escape(owner())} since", self.told("--release", "orders"))
        waiting.result().release()
        until(lambda: held.lost)

    def test_release_what_nobody_holds(self):
        semaphore("thumbs", limit=2).acquire()
        with pytest.raises(CommandError, match=r"Nobody holds 'thumbs'.*--semaphore"):
            self.told("--release", "thumbs")
        assert "thumbs: released" in self.told("--release", "thumbs", "--semaphore")
        assert self.told() == "Nothing is held, and nobody waits.\n"
