"""What mypy --strict tells the users of operations."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USER_CODE = """
from collections.abc import AsyncGenerator

from django_redis_patterns.core.operations import IO, batch, both, both_iter


class Board:
    connection = "default"

    async def _top(self, io: IO, count: int = 10) -> list[str]:
        return [str(name) for name in await io.redis.zrange("board", 0, count - 1)]

    top, atop = both(_top)

    async def _rows(self, io: IO, since: int = 0) -> AsyncGenerator[int, None]:
        for row in await io.redis.zrange("board", since, -1):
            yield len(row)

    rows = both_iter(_rows)


async def _ping(io: IO, times: int) -> bool:
    return bool(await io.redis.ping())


ping, aping = both(_ping)
board = Board()


async def main() -> None:
"""
CASES = {
    "reveal_type(board.top(3))": 'Revealed type is "list[str]"',
    "reveal_type(await board.atop())": 'Revealed type is "list[str]"',
    "reveal_type(ping(1))": 'Revealed type is "bool"',
    "reveal_type(await aping(times=1))": 'Revealed type is "bool"',
    "reveal_type(batch()(board.top, 3).value)": 'Revealed type is "list[str]"',
    "board.top(count='three')": 'has incompatible type "str"; expected "int"',
    "await board.atop('three')": 'has incompatible type "str"; expected "int"',
    "ping()": "Too few arguments",
    "board.top(3, 4)": "Too many arguments",
    "batch()(board.top, 'three')": 'has incompatible type "str"; expected "int"',
    "board.atop(3)": "must be used",
    "names: list[str] = board.atop(3)": "Incompatible types in assignment",
    "reveal_type([row for row in board.rows(3)])": 'Revealed type is "list[int]"',
    "reveal_type([row async for row in board.rows(since=3)])": 'Revealed type is "list[int]"',
    "board.rows('three')": 'has incompatible type "str"; expected "int"',
    "batch()(board.rows, 3).value.upper()": '"Iteration[int]" has no attribute "upper"',
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """mypy's message for each case, by one run over all of them."""
    file = tmp_path_factory.mktemp("user") / "user_code.py"
    file.write_text(USER_CODE + "".join(f"    {case}\n" for case in CASES))
    command = [sys.executable, "-m", "mypy", "--strict", "--enable-error-code", "unused-awaitable", str(file)]
    # Not the project's configuration: a user's own, who has no Django plugin.
    out = subprocess.run([*command, "--config-file="], cwd=ROOT, capture_output=True, text=True).stdout
    first = USER_CODE.count("\n") + 1
    lines = dict(enumerate(CASES, first))
    messages: dict[str, str] = dict.fromkeys(CASES, "")
    for line in out.splitlines():
        number, _, message = line.partition("user_code.py:")[2].partition(":")
        if number.isdigit():
            case = lines.get(int(number), f"line {number}")
            messages[case] = messages.get(case, "") + message
    return messages


@pytest.mark.parametrize("case", CASES)
def test_mypy_knows_the_faces(case: str, told: dict[str, str]) -> None:
    """Results have the right types; wrong arguments and a forgotten await are reported at the call."""
    assert CASES[case] in told[case]


def test_the_body_itself_has_no_errors(told: dict[str, str]) -> None:
    """Writing an operation needs no cast and no ignore."""
    assert set(told) == set(CASES)
