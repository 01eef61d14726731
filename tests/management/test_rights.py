"""A user with just the rights of a room's ACL line can do all that the room does, and needs every one of them."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from django.test import override_settings

from django_redis_patterns.core.connections.options import Target, target
from django_redis_patterns.core.subscriber import channels
from django_redis_patterns.leaderboards import reconcile
from django_redis_patterns.management.doctor import rights
from django_redis_patterns.realtime import channel_layer, topics
from django_redis_patterns.realtime.topics import Topic, UserTopic
from django_redis_patterns.testing.cluster import RedisCluster
from django_redis_patterns.testing.servers import RedisServer

from .conftest import Doctor, levels, of_room
from .everything import ROOMS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

#: Sent when a connection was idle for long, or is new and has to be told a database.
SELDOM = {"PING"}
#: What redis-py calls otherwise than Redis does.
WORDS = {"xpending_range": "XPENDING", "xinfo_groups": "XINFO GROUPS"}
LOGIN = {"USERNAME": "shop", "PASSWORD": "of-the-shop"}


@pytest.fixture
def place() -> Iterator[dict[str, Any]]:
    """Host and port of a server of the test's own."""
    with RedisServer() as server:
        yield {"HOST": "127.0.0.1", "PORT": server.port}


@pytest.fixture
def admin(place: dict[str, Any]) -> Iterator[redis.Redis]:
    with redis.Redis(port=place["PORT"], protocol=2, decode_responses=True) as admin:
        yield admin


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What settles or lingers does so at once."""
    monkeypatch.setattr(reconcile, "SETTLE", 0)
    monkeypatch.setattr(channels, "LINGER", 1)
    monkeypatch.setattr(topics, "_declared", {UserTopic.pattern: UserTopic})
    type("OrderTopic", (Topic,), {"pattern": "orders.{pk:int}", "__module__": __name__})


def on(place: dict[str, Any], **rooms: Any) -> Any:
    connections = {"default": place | LOGIN, "beside": json.loads(os.environ["TEST_REDIS_CONNECTION"])}
    patterns = {"CONNECTIONS": connections, "PREFIX": "shop", **rooms}
    return override_settings(REDIS_PATTERNS=patterns, CHANNEL_LAYERS={"default": channel_layer()})


def let_in(admin: redis.Redis, *rules: str) -> None:
    admin.execute_command("ACL", "SETUSER", LOGIN["USERNAME"], "reset", "on", f">{LOGIN['PASSWORD']}", *rules)


def called(admin: redis.Redis) -> set[str]:
    """Return the commands that ran, those inside of scripts too; before 7.0 without their second words."""
    stats: dict[str, Any] = admin.info("commandstats")
    return {name.removeprefix("cmdstat_").upper().replace("|", " ") for name in stats}


def rights_of(document: dict[str, Any], room: str) -> dict[str, Any]:
    (found,) = [one for one in of_room(document, room) if one["topic"] == "rights"]
    return found


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("db", [0, 3])
def test_the_line_is_right(room: str, db: int, place: dict[str, Any], admin: redis.Redis) -> None:
    """Pasted, it gives what the room needs, in every database; nothing is denied, and nothing of it is for nothing."""
    place["DB"] = db
    told = {} if room == "realtime" else {"REALTIME": {"CONNECTION": "beside"}}  # who logs out, is told there
    with on(place, **told):
        line = rights.line(room, target("default"))
        let_in(admin, "resetchannels")
        admin.execute_command(*line.split())
        assert line.startswith("ACL SETUSER shop ")
        with redis.Redis(port=place["PORT"], db=db, protocol=2, decode_responses=True) as beside:
            ROOMS[room](beside)
        needed = rights.commands(room)
    assert [(one["context"], one["object"]) for one in admin.acl_log()] == []
    if admin.info("server")["redis_version"].startswith("6."):
        needed = {command.split()[0] for command in needed}
    assert needed - SELDOM <= called(admin)
    assert ("+select" in line.split()) == (db != 0)


@pytest.mark.parametrize("room", ["sessions", "leaderboards"])
def test_one_right_less_is_too_little(room: str, place: dict[str, Any], admin: redis.Redis) -> None:
    """For what the code sends and what its scripts call alike."""
    with on(place):
        let_in(admin, *rights.words(room, target("default")), "-zadd")
        with suppress(Exception):  # whichever comes first; a board that follows only logs it
            ROOMS[room](admin)
    assert {one["object"] for one in admin.acl_log()} >= {"zadd"}


@pytest.mark.cluster
def test_the_line_is_right_on_a_cluster(admin: redis.Redis) -> None:
    """Where a client asks for the slots first."""
    with RedisCluster(masters=3, replicas=0) as cluster, on({"CLUSTER": cluster.urls}):
        admins = [redis.Redis.from_url(url, protocol=2, decode_responses=True) for url in cluster.urls]
        for one in admins:
            let_in(one, "resetchannels")
            for room in ROOMS:
                one.execute_command(*rights.line(room, target("default")).split())
        beside = redis.RedisCluster.from_url(cluster.urls[0], protocol=2, decode_responses=True)
        for room in ROOMS:
            ROOMS[room](beside)
        assert [entry["object"] for one in admins for entry in one.acl_log()] == []
        for one in (*admins, beside):
            one.close()


def test_the_samples_are_whole(admin: redis.Redis) -> None:
    """Each command is asked for with arguments that the server takes."""
    where = Target("tcp", {"db": 3}, 1)
    samples = [
        one for room in ROOMS for command in rights._asked(room, where) for one in rights._samples(room, command)
    ]
    connection: Any = admin.connection_pool.get_connection()
    for sample in samples:
        connection.send_command("MULTI")
        connection.read_response()
        connection.send_command(*sample.args)
        assert connection.read_response() == "QUEUED", sample
        connection.disconnect()
    admin.connection_pool.release(connection)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_all_that_its_code_sends(room: str) -> None:
    """A new command has to be declared."""
    folder = Path(rights.needs(room).__file__).parent
    text = "".join(path.read_text() for path in folder.glob("*.py"))
    methods = {*re.findall(r"\bio\.redis\.(\w+)|\bredis\.(z\w+|h\w+|p?expire|get|set|publish)\b", text)}
    sent = {WORDS.get(name, name.upper()) for pair in methods for name in pair if name}
    assert sent <= {*rights.needs(room).COMMANDS}
    assert sent or room == "realtime"


@pytest.mark.parametrize("extra", ["+acl", "+multi"])
def test_what_a_user_lacks_is_named(extra: str, doctor: Doctor, place: dict[str, Any], admin: redis.Redis) -> None:
    """By asking, of a user who may ask for it in one way or in the other; and nothing was run for it."""
    if extra == "+acl" and admin.info("server")["redis_version"].startswith("6."):
        pytest.skip("ACL DRYRUN came with 7.0")
    with on(place):
        words = [*rights.words("sessions", target("default")), "-zrem", "-unlink"]
    let_in(admin, "resetchannels", *words, "+info", "+time", extra)
    document = doctor.document(default=place | LOGIN)  # with another PREFIX
    lacking = rights_of(document, "sessions")
    assert lacking["level"] == "error"
    assert lacking["values"]["lacking"] == ["+unlink", "+zrem", "~redis_patterns:sessions:*"]
    assert lacking["cure"].startswith("ACL SETUSER shop ~redis_patterns:sessions:* +eval ")
    told = rights_of(document, "realtime")
    assert told["values"]["lacking"] == ["+publish", "+subscribe", "+unsubscribe"]
    let_in(admin, "resetchannels", "+@all", "-acl", extra, "~redis_patterns:boards:*")
    document = doctor.document(default=place | LOGIN)
    assert rights_of(document, "realtime")["values"]["lacking"] == ["&redis_patterns:realtime:*"]
    assert rights_of(document, "leaderboards")["values"]["lacking"] == ["~redis_patterns:trending:*"]
    assert admin.dbsize() == 0


def test_what_is_not_told_is_not_known(doctor: Doctor, place: dict[str, Any], admin: redis.Redis) -> None:
    """A user with the rooms' rights alone gets a report, which fails nothing."""
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": place | LOGIN}}):
        words = [word for room in ROOMS for word in rights.words(room, target("default"))]
    let_in(admin, *words)
    document = doctor.document(default=place | LOGIN)
    assert document["errors"] == 0
    found = levels(document["connections"][0]["findings"])
    told = {"reachable": "ok", "latency": "ok", "clock": "ok", "tls": "ok", "login": "ok"}
    unknown = dict.fromkeys(("topology", "server", "memory", "persistence", "connections"), "unknown")
    assert found == told | unknown
    code, text = doctor(default=place | LOGIN)
    assert code == 0
    assert "? memory       not known: NOPERM (" in text
    assert "? rights       not known: NOPERM (" in text


def test_the_doctors_own_line(doctor: Doctor, place: dict[str, Any], admin: redis.Redis) -> None:
    """With it everything is known."""
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": place | LOGIN}}):
        words = [word for room in ROOMS for word in rights.words(room, target("default"))]
        let_in(admin, *words)
        admin.execute_command(*rights.doctors_line(target("default")).split())
    assert doctor.document(default=place | LOGIN)["unknown"] == 0


def test_a_prefix_is_taken_as_it_is() -> None:
    """Redis would read it as a pattern."""
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": "redis://x"}, "PREFIX": "s[h]*p"}):
        assert rights.words("sessions", target("default"))[0] == r"~s\[h\]\*p:sessions:*"


def test_a_user_who_may_not_even_ping(doctor: Doctor, place: dict[str, Any], admin: redis.Redis) -> None:
    """Is refused, which is no outage; rooms are not well there."""
    let_in(admin, "~*", "+@all", "-ping")
    document = doctor.document(default=place | LOGIN)
    assert document["connections"][0]["findings"][0]["values"] == {"denied": True}
    assert "'ping'" in document["connections"][0]["findings"][0]["text"]
    assert {levels(room["findings"])["connection"] for room in document["rooms"]} == {"error"}
