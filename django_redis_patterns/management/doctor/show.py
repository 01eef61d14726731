"""The report as text: a sign and a topic in front of every line."""

import textwrap
from collections.abc import Iterator

from django.core.management.base import BaseCommand

from .findings import Finding, Level, Report

SIGNS = {Level.OK: "✓", Level.UNKNOWN: "?", Level.WARNING: "⚠", Level.ERROR: "✗"}
ASCII = {Level.OK: "+", Level.UNKNOWN: "?", Level.WARNING: "!", Level.ERROR: "x"}
STYLES = {Level.OK: "SUCCESS", Level.UNKNOWN: "NOTICE", Level.WARNING: "WARNING", Level.ERROR: "ERROR"}
ACL = "ACL  (lines for one user add up; a new one also needs: on >PASSWORD)"
TOPIC = 12
WIDTH = 100


class Page:
    """Writes for the stream and the colours of *command*."""

    def __init__(self, command: BaseCommand) -> None:
        self._style = command.style
        self._signs = SIGNS if _takes(command, "".join(SIGNS.values())) else ASCII

    def lines(self, report: Report, acl: list[str]) -> Iterator[str]:
        """Yield the connections, the rooms, the ACL lines that were asked for, and the verdict."""
        for patient in report.patients:
            yield from self._part(f"{patient.alias}  {patient.place}", patient.findings)
        for room in report.rooms:
            yield from self._part(f"{room.name}  on {room.alias}", room.findings)
        if acl:
            yield from (self._style.MIGRATE_HEADING(ACL), *(f"  {line}" for line in acl), "")
        yield self._verdict(report)

    def _part(self, title: str, findings: list[Finding]) -> Iterator[str]:
        yield self._style.MIGRATE_HEADING(title.rstrip())
        for finding in findings:
            yield from self._finding(finding)
        yield ""

    def _finding(self, finding: Finding) -> Iterator[str]:
        sign, style = self._signs[finding.level], getattr(self._style, STYLES[finding.level])
        first, *rest = _wrapped(finding.text)
        yield f"  {style(sign)} {finding.topic:<{TOPIC}} {first}"
        for line in rest:
            yield f"{'':{TOPIC + 4}} {line}"
        if finding.cure.startswith("ACL "):  # to be pasted, in one piece
            yield f"{'':{TOPIC + 4}} {finding.cure}"
        elif finding.cure:
            yield from (f"{'':{TOPIC + 4}} {self._style.NOTICE(line)}" for line in _wrapped(finding.cure))

    def _verdict(self, report: Report) -> str:
        errors, warnings, unknown = map(report.count, (Level.ERROR, Level.WARNING, Level.UNKNOWN))
        level = Level.ERROR if errors else Level.WARNING if warnings else Level.OK
        said = [_said(errors, "thing is wrong", "things are wrong"), _said(warnings, "warning", "warnings")]
        text = ", ".join([part for part in said if part] or ["All is well"])
        doubt = f" ({unknown} not known)" if unknown else ""
        return str(getattr(self._style, STYLES[level])(f"{self._signs[level]} {text}{doubt}."))


def _said(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH - TOPIC - 4, break_long_words=False, break_on_hyphens=False) or [""]


def _takes(command: BaseCommand, text: str) -> bool:
    try:
        text.encode(getattr(command.stdout, "encoding", None) or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
