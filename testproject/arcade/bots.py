"""Players who were here before you, so that no board is empty."""

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, time, timedelta
from threading import Event, Thread

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from arcade.events import plays
from arcade.game import FASTEST, ROUNDS, SLOWEST, score
from arcade.models import Play

DAYS = 21
NAMES = """
    amber-ant bold-badger cosmic-crab dizzy-dingo electric-eel fuzzy-falcon giga-gecko hyper-hedgehog icy-ibis
    jolly-jackal keen-koala laser-lynx mega-moth neon-newt orbit-otter pixel-panda quartz-quail retro-raven solar-sloth
    turbo-toad ultra-urchin vector-vole wired-walrus xenon-xerus yonder-yak zippy-zebra atomic-alpaca binary-bison
    cyber-cicada disco-dodo echo-egret flux-ferret glitch-gopher hex-heron ion-iguana joystick-jay
""".split()  # noqa: SIM905  (a list would be a page long)


def fill() -> int:
    """Make the bots and their plays of the last days; what is there stays as it is. Returns the number of plays.

    A play's id follows from its player, day and number, so running this again adds nothing to a day.
    """
    User.objects.bulk_create((_bot(name) for name in NAMES), ignore_conflicts=True)
    bots = User.objects.filter(username__in=NAMES)
    today = timezone.localdate()
    plays = [play for bot in bots for ago in range(DAYS) for play in _plays(bot, today - timedelta(days=ago))]
    Play.objects.bulk_create(plays, ignore_conflicts=True)
    return len(plays)


@contextmanager
def playing(every: float) -> Iterator[None]:
    """Let some bot play about *every* so many seconds while the block lasts; with 0 they rest."""
    if not every:
        yield
        return
    over = Event()
    thread = Thread(target=_play_on, args=(every, over), name="bots", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def play(count: int) -> None:
    """Let bots play *count* games, all committed together."""
    luck = random.Random()
    bots = list(User.objects.filter(username__in=NAMES))
    with transaction.atomic():
        for bot in luck.choices(bots, k=count):
            Play.objects.create(player=bot, points=_points(_skill(bot), luck))


def break_off() -> str:
    """Let a bot break its game off, which is an event with no points, and play two more. Returns its name."""
    luck = random.Random()
    bot = User.objects.get(username=luck.choice(NAMES))
    with transaction.atomic():
        data = {"player": bot.pk, "name": bot.username, "points": 0, "game": str(uuid.uuid4())}
        plays.append_on_commit(data, idempotency_key=data["game"])
        for _ in range(2):
            Play.objects.create(player=bot, points=_points(_skill(bot), luck))
    return bot.username


def _play_on(every: float, over: Event) -> None:
    luck = random.Random()
    while not over.wait(every * luck.uniform(0.5, 1.5)):
        with suppress(DatabaseError):  # busy with somebody who matters
            bot = User.objects.get(username=luck.choice(NAMES))
            Play.objects.create(player=bot, points=_points(_skill(bot), luck))
    connections.close_all()


def _bot(name: str) -> User:
    return User(username=name, password=make_password(None))


def _plays(bot: User, day: date) -> Iterator[Play]:
    luck = random.Random(f"{bot.username} {day}")
    for number in range(luck.choice([0, 0, 1, 1, 2, 3])):
        id = uuid.uuid5(uuid.NAMESPACE_OID, f"{bot.username} {day} {number}")
        yield Play(player=bot, points=_points(_skill(bot), luck), played_at=_moment(day, luck), start=id)


def _skill(bot: User) -> int:
    """Return the ms that the bot takes as a rule."""
    return random.Random(bot.username).randint(210, 420)


def _points(skill: int, luck: random.Random) -> int:
    times = [round(luck.gauss(skill, 45)) for _ in range(ROUNDS)]
    return score([ms if FASTEST <= ms <= SLOWEST else None for ms in times])


def _moment(day: date, luck: random.Random) -> datetime:
    """Return some time of *day*, and none that is still to come."""
    midnight = timezone.make_aware(datetime.combine(day, time()))
    end = min(midnight + timedelta(days=1), timezone.now())
    return midnight + (end - midnight) * luck.random()
