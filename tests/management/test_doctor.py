"""``manage.py redis doctor`` on servers that are well, and on others that are not."""

import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.core.management import CommandError
from django.test import override_settings

from django_redis_patterns.management.doctor import diagnose, rooms, timing
from django_redis_patterns.management.doctor import server as exams
from django_redis_patterns.testing.servers import RedisServer, free_port

from .conftest import WELL, Doctor, levels, of_room

Start = Callable[..., RedisServer]
TOPICS = [
    *("reachable", "topology", "server", "memory", "persistence", "connections", "latency", "clock"),
    *("tls", "login"),
]


@pytest.fixture(autouse=True)
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of tests are old; what they lack is looked at by its own test."""
    monkeypatch.setattr(exams, "_is_vulnerable", lambda make, number: False)


def test_all_is_well(doctor: Doctor, server_with: Start) -> None:
    """Every line is there, and the exit code is 0."""
    server = server_with(*WELL)
    code, text = doctor(default=server.url)
    assert (code, text.splitlines()[-1]) == (0, "✓ All is well.")
    lines = text.splitlines()
    assert lines[0] == f"default  127.0.0.1:{server.port}"
    assert [line.split()[:2] for line in lines[1 : 1 + len(TOPICS)] if line[2] != " "][:2] == [
        ["✓", "reachable"],
        ["✓", "topology"],
    ]
    rooms = ("sessions", "caching", "ratelimit", "locks", "leaderboards", "streams", "realtime")
    assert {f"{room}  on default" for room in rooms} < set(lines)
    assert "ACL SETUSER" not in text
    assert doctor("--acl", default=server.url)[1].count("ACL SETUSER NAME ") == 1 + len(rooms)


def test_the_document(doctor: Doctor, server_with: Start) -> None:
    """Its names are for programs, and stay."""
    document = doctor.document(default=server_with(*WELL).url)
    assert {*document} == {"errors", "warnings", "unknown", "connections", "rooms"}
    assert (document["errors"], document["warnings"], document["unknown"]) == (0, 0, 0)
    (connection,) = document["connections"]
    assert {*connection} == {"alias", "place", "findings"}
    assert list(dict.fromkeys(one["topic"] for one in connection["findings"])) == TOPICS
    assert {*connection["findings"][0]} == {"topic", "level", "text", "cure", "values"}
    values = {name: value for one in connection["findings"] for name, value in one["values"].items()}
    assert values.keys() >= {"p50_ms", "p95_ms", "p99_ms", "skew_s", "policy", "maxmemory", "version", "role", "tls"}
    rooms = ["sessions", "caching", "ratelimit", "locks", "leaderboards", "streams", "realtime"]
    assert [room["room"] for room in document["rooms"]] == rooms
    assert {*document["rooms"][0]} == {"room", "connection", "acl", "findings"}


def test_nobody_is_there(doctor: Doctor, redis_server: RedisServer) -> None:
    """It says so in the words of our errors, and judges the other connections all the same."""
    gone = f"redis://127.0.0.1:{free_port()}/0"
    code, text = doctor(default=redis_server.url, gone=gone)
    assert code == 1
    assert "✗ reachable    Redis connection 'gone' is unavailable" in text
    assert "nothing was sent" in text
    assert "default  127.0.0.1" in text
    assert "1 thing is wrong" in text
    assert doctor("default", default=redis_server.url, gone=gone)[0] == 0


def test_rooms_on_a_connection_that_is_away(doctor: Doctor) -> None:
    """Are not well."""
    document = doctor.document(default=f"redis://127.0.0.1:{free_port()}/0")
    assert levels(of_room(document, "sessions")) == {"connection": "error"}


def test_a_wrong_password(doctor: Doctor, server_with: Start) -> None:
    """Is a refusal, and no outage."""
    server = server_with("--requirepass", "right")
    where = {"HOST": "127.0.0.1", "PORT": server.port}
    for given in ({"PASSWORD": "wrong"}, {}):
        (found,) = [one for one in findings(doctor, where | given) if one["topic"] == "reachable"]
        assert found["level"] == "error"
        assert "was refused" in found["text"]
        assert found["values"] == {"denied": True}
    assert levels(findings(doctor, where | {"PASSWORD": "right"}))["reachable"] == "ok"


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_sessions_must_not_be_evicted(doctor: Doctor, server_with: Start, policy: str) -> None:
    """Nor may boards; of what only passes through, nothing is lost."""
    server = server_with(*WELL, "--maxmemory-policy", policy)
    document = doctor.document(default=server.url)
    told = {room["room"]: levels(room["findings"])["eviction"] for room in document["rooms"]}
    expected = {"caching": "ok", "ratelimit": "warning", "locks": "error", "leaderboards": "warning"}
    expected |= {"streams": "error", "realtime": "ok"}
    assert told == {"sessions": "error", **expected}
    code, text = doctor(default=server.url)
    assert code == 1
    assert f"✗ eviction     {policy}: when memory is full, users are logged out at random" in text
    assert "maxmemory-policy noeviction" in text
    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db", MIDDLEWARE=[]):
        assert [room["room"] for room in doctor.document(default=server.url)["rooms"]] == list(expected)


def test_without_a_limit_nothing_is_evicted_yet(doctor: Doctor, server_with: Start) -> None:
    """Both are worth a warning, and no more."""
    document = doctor.document(default=server_with("--maxmemory-policy", "allkeys-lru", "--appendonly", "yes").url)
    assert document["errors"] == 0
    assert levels(document["connections"][0]["findings"])["memory"] == "warning"
    assert levels(of_room(document, "sessions"))["eviction"] == "warning"


def test_what_survives_a_restart(doctor: Doctor, server_with: Start) -> None:
    """No file, a snapshot, a log."""
    server = server_with()
    where = {"default": server.url}
    assert kinds(doctor, where) == ("none", "warning")
    with redis.Redis.from_url(server.url, protocol=2) as admin:
        admin.save()
        while kinds(doctor, where) != (
            "rdb",
            "ok",
        ):  # 6.2 tells the second of the last one, and not how many there were
            time.sleep(0.2)
            admin.save()
        admin.config_set("appendonly", "yes")
    assert kinds(doctor, where) == ("aof", "ok")


def kinds(doctor: Doctor, where: dict[str, Any]) -> tuple[str, str]:
    document = doctor.document(**where)
    (found,) = [one for one in document["connections"][0]["findings"] if one["topic"] == "persistence"]
    return found["values"]["kind"], levels(of_room(document, "sessions"))["persistence"]


def test_a_replica(doctor: Doctor, server_with: Start) -> None:
    """Takes no writes, whatever else it says."""
    primary, replica = server_with(), server_with(*WELL)
    with redis.Redis.from_url(replica.url, protocol=2) as admin:
        admin.replicaof("127.0.0.1", primary.port)
    assert levels(findings(doctor, replica.url))["topology"] == "error"


def test_a_clock_that_is_wrong(doctor: Doctor, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told with its sign."""
    monkeypatch.setattr(timing, "_time", lambda node: (0, 0))
    (found,) = [one for one in findings(doctor, redis_server.url) if one["topic"] == "clock"]
    assert found["level"] == "warning"
    assert "behind this host" in found["text"]
    assert found["values"]["skew_s"] < -1e9


def test_few_connections_are_left(doctor: Doctor, server_with: Start) -> None:
    server = server_with("--maxclients", "8")
    clients = [redis.Redis.from_url(server.url, protocol=2) for _ in range(6)]
    for one in clients:
        one.ping()
    assert levels(findings(doctor, server.url))["connections"] == "warning"
    for one in clients:
        one.close()


def test_a_cache_that_wipes_the_database(doctor: Doctor, redis_server: RedisServer) -> None:
    """Is named, however it is written; one beside it is not."""
    one = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_server.url}
    beside = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": redis_server.url[:-1] + "5"}
    with override_settings(CACHES={"default": one, "beside": beside}):
        (found,) = [f for f in findings(doctor, redis_server.url) if f["topic"] == "caches"]
    assert (found["level"], found["values"]) == ("warning", {"cache": "default"})


def test_the_default_that_nobody_wrote(
    doctor: Doctor, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is no error as long as nobody needs it: CACHES have no Redis here."""
    monkeypatch.setattr(rooms, "all_boards", list)
    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db", MIDDLEWARE=[]):
        document = doctor.document(state=redis_server.url)
    assert [one["alias"] for one in document["connections"]] == ["state"]
    assert document["rooms"] == []


def test_the_default_that_sessions_need(doctor: Doctor, redis_server: RedisServer) -> None:
    """Is looked for in CACHES, and it is said what to write."""
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"state": redis_server.url}}):
        report = diagnose([]).document()
    broken = next(one for one in report["connections"] if one["alias"] == "default")
    assert levels(broken["findings"]) == {"settings": "error"}
    assert "needs a Redis cache" in broken["findings"][0]["text"]


def test_a_connection_that_is_not_there_is_named(doctor: Doctor, redis_server: RedisServer) -> None:
    with pytest.raises(CommandError, match=r"has no 'sate'. It has: default"):
        doctor("sate", default=redis_server.url)


def test_a_stream_that_cannot_write_signs(doctor: Doctor, redis_server: RedisServer) -> None:
    """Gets ASCII."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    doctor(out=out, default=redis_server.url)
    text = raw.getvalue().decode("ascii")
    assert "\n  + reachable    answers as" in text
    assert "\n  ! persistence" in text


@pytest.mark.parametrize(
    ("make", "number", "expected"),
    [
        ("Redis", (6, 2, 14), True),
        ("Redis", (6, 2, 20), False),
        ("Redis", (7, 0, 15), True),
        ("Redis", (7, 2, 11), False),
        ("Redis", (7, 4, 5), True),
        ("Redis", (8, 0, 4), False),
        ("Redis", (8, 2, 1), True),
        ("Redis", (8, 4, 0), False),
        ("Redis", (9, 0), False),
        ("Valkey", (8, 1, 1), True),
        ("Valkey", (8, 1, 4), False),
        ("Valkey", (8, 0, 5), True),
        ("Valkey", (9, 0, 0), False),
    ],
)
def test_versions_with_a_hole(
    make: str, number: tuple[int, ...], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert exams._is_vulnerable(make, number) is expected


def test_a_hole_is_a_warning(doctor: Doctor, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since a distribution's package may have the fix under the old number."""
    monkeypatch.setattr(exams, "_is_vulnerable", lambda make, number: True)
    assert levels(findings(doctor, redis_server.url))["server"] == "warning"
    assert "has CVE-2025-49844" in doctor(default=redis_server.url)[1]


def test_a_server_that_is_too_old(doctor: Doctor, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exams, "FLOOR", (99, 0))
    assert levels(findings(doctor, redis_server.url))["server"] == "error"


def findings(doctor: Doctor, where: Any) -> list[dict[str, Any]]:
    """Return what is found about one connection on its own."""
    text = doctor("--json", "default", default=where)[1]
    (connection,) = json.loads(text)["connections"]
    return list(connection["findings"])
