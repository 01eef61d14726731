"""What mypy --strict tells the users of `cached`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USER_CODE = """
from django_redis_patterns.caching import cached


@cached(ttl=1)
def f(a: int, b: str = "") -> list[int]:
    return [a]


@cached(ttl=1)
async def g(a: int) -> str:
    return ""


class Shop:
    @cached(ttl=1)
    def m(self, n: int) -> bytes:
        return b""


@f.write_through("a")
def w(a: int) -> list[int]:
    return [a]


async def main() -> None:
"""
CASES = {
    "reveal_type(f(1))": 'Revealed type is "list[int]"',
    "reveal_type(f.refresh(1))": 'Revealed type is "list[int]"',
    "reveal_type(await f.aget(1))": 'Revealed type is "list[int]"',
    "reveal_type(f.many([(1,)]))": 'Revealed type is "list[list[int]]"',
    "reveal_type(await g(1))": 'Revealed type is "str"',
    "reveal_type(g.get(1))": 'Revealed type is "str"',
    "reveal_type(Shop().m(1))": 'Revealed type is "bytes"',
    "reveal_type(w(1))": 'Revealed type is "list[int]"',
    'f("x")': 'incompatible type "str"; expected "int"',
    'Shop().m("x")': 'incompatible type "str"; expected "int"',
    "g(1)": "must be used",
    'f.set("x", 1)': 'incompatible type "str"; expected "list[int]"',
}


@pytest.mark.slow
def test_types_come_through(tmp_path: Path) -> None:
    file = tmp_path / "user_code.py"
    file.write_text(USER_CODE + "".join(f"    {case}\n" for case in CASES))
    command = [sys.executable, "-m", "mypy", "--strict", "--enable-error-code", "unused-awaitable", str(file)]
    out = subprocess.run([*command, "--config-file="], cwd=ROOT, capture_output=True, text=True).stdout
    first = USER_CODE.count("\n") + 1
    for number, (case, message) in enumerate(CASES.items(), first):
        told = [line for line in out.splitlines() if f"user_code.py:{number}:" in line]
        assert any(message in line for line in told), (case, told)
