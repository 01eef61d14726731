"""``manage.py redis doctor [ALIAS...]``: is every Redis there, safe, and fit for what lives in it?

Exit code 1 when something is wrong (unreachable, refused, too old, sessions that Redis may evict, rights that a room
lacks), 0 when all is well or there are but warnings. It changes nothing, never asks CONFIG, and what the server
refuses to tell is "not known". No secret is in what it prints.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings as django_settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_redis_patterns.conf import settings
from django_redis_patterns.core.connections import client
from django_redis_patterns.core.connections.errors import DRIVER_ERRORS, named
from django_redis_patterns.core.connections.options import Target, target
from django_redis_patterns.exceptions import InvalidConfiguration, RedisDenied, RedisPatternsError

from . import caches, rights, rooms, safety, server, timing, topology
from .findings import Finding, Patient, Report, Room, error, examined, ok
from .show import Page

HELP = "Examine every Redis connection and the rooms on it; exit code 1 if something is wrong."
#: What is asked of each server.
EXAMS = {
    "server": server.version,
    "memory": server.memory,
    "persistence": server.persistence,
    "connections": server.connections,
    "latency": timing.latency,
    "clock": timing.clock,
}


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments."""
    parser.add_argument("alias", nargs="*", help="Connections of REDIS_PATTERNS; all of them if none is named.")
    parser.add_argument("--json", action="store_true", help="Print one JSON document.")
    parser.add_argument("--acl", action="store_true", help="Show the ACL SETUSER line of each room.")


def handle(command: BaseCommand, **options: Any) -> int:
    """Examine, and tell; returns the exit code."""
    try:
        report = diagnose(options["alias"])
    except InvalidConfiguration as complaint:
        raise CommandError(str(complaint)) from None
    if options["json"]:
        command.stdout.write(json.dumps(report.document()))
    else:
        for line in Page(command).lines(report, _acl(report) if options["acl"] else []):
            command.stdout.write(line)
    return report.code


def diagnose(names: list[str]) -> Report:
    """Examine the connections *names*, or all. Raises `InvalidConfiguration` for a name that nobody configured."""
    homes = rooms.homes()
    for name in names:
        if name not in settings().connections:
            target(name)
    patients = [_patient(alias) for alias in names or _aliases(homes)]
    patients += [] if names else caches.broken()
    by_alias = {patient.alias: patient for patient in patients}
    return Report(patients, [_room(room, by_alias[alias]) for room, alias in homes if alias in by_alias])


def _aliases(homes: list[tuple[str, str]]) -> list[str]:
    """Return all connections, and where caches are; the default that nobody wrote, only if it is one, or is needed."""
    needed = {alias for room, alias in homes if rooms.is_used(room)}
    given = {*getattr(django_settings, "REDIS_PATTERNS", {}).get("CONNECTIONS", {})}
    named = [alias for alias in settings().connections if alias in needed | given or _is_configured(alias)]
    return [*named, *sorted(needed - {*settings().connections})]


def _is_configured(alias: str) -> bool:
    try:
        target(alias)
    except InvalidConfiguration:
        return False
    return True


def _patient(alias: str) -> Patient:
    try:
        where = target(alias)
    except InvalidConfiguration as complaint:
        return Patient(alias, findings=[error("settings", str(complaint))])
    patient = Patient(alias, topology.place(where))
    patient.findings += _visit(patient, where)
    patient.findings += [*safety.examine(where, [node.name for node in patient.nodes]), *safety.shared(alias, where)]
    return patient


def _visit(patient: Patient, where: Target) -> Iterator[Finding]:
    """Ask the servers, if they answer."""
    try:
        to = client(patient.alias)
        nodes = topology.nodes(where, to)
        for node in nodes:
            node.client.ping()
    except DRIVER_ERRORS as failure:
        yield _unreachable(named(failure, patient.alias))
        if where.sentinels:
            yield from examined("topology", topology.examine, where, client(patient.alias))
        return
    patient.nodes = nodes
    yield ok("reachable", "answers as " + ", ".join(node.name for node in nodes))
    yield from examined("topology", topology.examine, where, to)
    for topic, exam in EXAMS.items():
        yield from _of_all(nodes, [examined(topic, exam, node) for node in nodes])


def _unreachable(failure: Exception) -> Finding:
    cure = "" if isinstance(failure, RedisPatternsError) else "Look at the server's log."
    return error("reachable", str(failure), cure, denied=isinstance(failure, RedisDenied))


def _of_all(nodes: list[topology.Node], findings: list[list[Finding]]) -> Iterator[Finding]:
    """Say once what is the same on all nodes."""
    if all(found == findings[0] for found in findings):
        yield from findings[0]
        return
    for node, found in zip(nodes, findings, strict=True):
        for one in found:
            yield Finding(one.topic, one.level, f"{node.name}: {one.text}", one.cure, one.values)


def _room(name: str, patient: Patient) -> Room:
    if not patient.nodes:
        return Room(name, patient.alias, [error("connection", f"{patient.alias} is away, or refuses us: see there")])
    where = target(patient.alias)
    found = [*rooms.eviction(name, patient), *rooms.survival(name, patient)]
    found += caches.examine(name, patient.alias) if caches.is_one(name) else []
    of_nodes = [examined("rights", rights.examine, name, where, node) for node in patient.nodes]
    return Room(name, patient.alias, [*found, *_of_all(patient.nodes, of_nodes)], rights.line(name, where))


def _acl(report: Report) -> list[str]:
    """Return the lines of the rooms, and of the doctor itself."""
    lines: Iterable[str] = [room.acl for room in report.rooms if room.acl]
    return [*lines, *(rights.doctors_line(target(patient.alias)) for patient in report.patients if patient.nodes)]
