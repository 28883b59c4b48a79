"""The shape of the code: who may import whom, where errors end, how large a file may be."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "mailguard").rglob("*.py"))
CORE = [
    path
    for path in MODULES
    if path.parts[len(ROOT.parts) + 1] in {"mail", "scan", "policy", "quarantine"}
]

FORBIDDEN_NAMES = {"utils", "util", "common", "helper", "helpers", "manager", "base", "misc"}

CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}

LONGEST = 450
"""Lines of a file. One giant is always the SMTP connection; none has to be longer."""

CATCH_ALL = {
    "mailguard/extract/judging.py: judge": "an engine's failure is a finding, never a pass",
    "mailguard/extract/pool.py: _read": "a process in the middle of an answer is never asked again",
    "mailguard/extract/pictures/frames.py: frames": "a decoder that breaks leaves a miss",
    "mailguard/extract/pictures/frames.py: _forgiven": "what it showed until then is read",
    "mailguard/extract/reading.py: _items": "a reader that breaks is a finding, never a pass",
    "mailguard/flow/advise.py: advise": "every fault is answered 451",
    "mailguard/flow/receive.py: receive": "every fault is answered 451",
    "mailguard/flow/receive.py: _keep_and_relay": "a pending row is withdrawn; it goes on",
    "mailguard/jobs/scheduler.py: run": "a job that breaks runs again",
    "mailguard/milter/connection.py: _judge": "every fault is answered 451",
    "mailguard/scan/detector.py: _load": "a detector that does not import is a RuleError",
    "mailguard/scan/scanner.py: scan": "a check that breaks keeps no other from running",
    "mailguard/service/supervise.py: _fork": "a child never returns into the parent's code",
    "mailguard/smtp/connection.py: _handle_client": "one connection's fault is no other's",
    "mailguard/smtp/conversation.py: answer": "every fault is answered 451",
    "mailguard/smtp/delivery.py: data": "the connection is closed; it goes on",
    "mailguard/smtp/opened.py: finish": "every fault is answered 451",
}
"""Where anything at all may be caught, and why. Every other `except` names what it expects."""


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lint_imports(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Check the import contracts of the package that lies in `folder`."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


def catches_all(node: ast.AST, function: str = "") -> Iterator[str]:
    """The functions that catch anything at all."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        function = node.name
    if isinstance(node, ast.ExceptHandler):
        caught = ast.unparse(node.type) if node.type else "BaseException"
        if "BaseException" in caught or "Exception" in caught.strip("()").split(", "):
            yield function
    for child in ast.iter_child_nodes(node):
        yield from catches_all(child, function)


def test_every_import_goes_downward() -> None:
    done = lint_imports(ROOT)

    assert done.returncode == 0, done.stdout


def test_a_new_folder_without_a_place_fails(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "mailguard", tmp_path / "mailguard")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "mailguard" / "florist").mkdir()
    (tmp_path / "mailguard" / "florist" / "__init__.py").write_text('"""Not placed."""\n')

    done = lint_imports(tmp_path)

    assert done.returncode == 1
    assert "florist" in done.stdout


def test_an_import_upward_fails(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "mailguard", tmp_path / "mailguard")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "mailguard" / "mail" / "upward.py").write_text("import mailguard.smtp.server\n")

    done = lint_imports(tmp_path)

    assert done.returncode == 1
    assert "mailguard.mail.upward" in done.stdout


@pytest.mark.parametrize("path", CORE, ids=ids)
def test_the_core_does_not_look_at_a_clock(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))

    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }

    assert called & CLOCKS == set()


def test_anything_at_all_is_caught_only_where_it_is_declared() -> None:
    found = {
        f"{ids(path)}: {function}"
        for path in MODULES
        for function in catches_all(ast.parse(path.read_text("utf-8")))
    }

    assert found == set(CATCH_ALL)


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_module_says_what_it_is_for_and_is_not_too_long(path: Path) -> None:
    text = path.read_text("utf-8")

    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_nothing_has_a_name_that_says_nothing(path: Path) -> None:
    assert {*path.relative_to(ROOT).with_suffix("").parts} & FORBIDDEN_NAMES == set()


def test_tests_are_no_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
