"""The shape of the house: floors, sizes, and what a Lua script says about itself."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "django_redis_patterns"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted(PACKAGE.rglob("*.lua"))


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{name(path)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_imports_point_down_only():
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    told = subprocess.run([sys.executable, "-c", lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_root_imports_nothing():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    assert ast.get_docstring(tree)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_there_is_no_drawer_for_everything():
    assert not [name(path) for path in MODULES if path.stem in {"utils", "util", "helpers", "misc", "common"}]


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=name)
def test_no_file_is_a_god_file(path):
    assert len(path.read_text().splitlines()) <= 300


def test_functions_are_short():
    long = {where: lines for path in MODULES for where, lines in functions(path) if lines > 40}
    for where, lines in sorted(long.items()):
        print(f"{lines} lines: {where}")
    assert not {where: lines for where, lines in long.items() if lines > 60}


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_a_script_says_what_it_takes_and_returns(path):
    text = path.read_text()
    header = re.match(r"-- KEYS: (.*)\n-- ARGV: (.*)\n-- RETURNS: \S.*\n", text)
    assert header, "The first three lines are -- KEYS: a, b / -- ARGV: c, d / -- RETURNS: what."
    for table, names in zip(("KEYS", "ARGV"), header.groups(), strict=True):
        check_uses(table, [] if names == "-" else names.split(", "), text)


def check_uses(table: str, names: list[str], text: str) -> None:
    """Every declared place is used and no other; a name that ends in ``...`` is a tail of any length."""
    body = re.sub(r"--.*", "", text)
    used = {int(place) for place in re.findall(rf"\b{table}\[(\d+)\]", body)}
    fixed = [declared for declared in names if not declared.endswith("...")]
    if len(fixed) == len(names):
        assert used == set(range(1, len(names) + 1)), f"{table}: {names} are declared, {sorted(used)} are used."
    else:
        assert used >= set(range(1, len(fixed) + 1)), f"{table}: {fixed} are declared, {sorted(used)} are used."
        assert re.search(rf"#{table}\b|unpack\({table}\b|pairs\({table}\)", body), f"{table}: the tail is not used."
