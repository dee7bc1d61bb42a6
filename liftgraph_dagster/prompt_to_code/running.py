"""Generated code in the sandbox: one for this process, started when it is first needed."""

from __future__ import annotations

import ast
import atexit
import os
import threading
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from liftgraph_dagster.prompt_to_code.judging import passes
from liftgraph_dagster.prompt_to_code.outcome import Test
from liftgraph_dagster.prompt_to_code.state import CodeCheck
from liftgraph_dagster.sandbox.sandbox import Call, Ending, Limits, Outcome, Report, Sandbox
from liftgraph_dagster.sandbox.syntax import parse
from liftgraph_dagster.settings import Settings


class Tested(NamedTuple):
    """What became of the tests of one function."""

    passed: list[bool]
    """In the order of the tests."""
    report: Report


def run_tests(
    code: str, function_name: str, tests: Sequence[Test], limits: Limits | None = None
) -> Tested:
    """Call the function that `code` defines once for each test, in the sandbox, and judge here.

    The tests share one loaded program. Code that does not load passes none. Raises
    SandboxUnavailable where code must not be run, SandboxDied when the sandbox went away.
    """
    calls = [Call(function_name, test.args) for test in tests]
    report = sandbox().run(code, calls, limits)
    passed = [passes(test, outcome) for test, outcome in zip(tests, report.calls, strict=True)]
    return Tested(passed, report)


def check(code: str, function_name: str) -> CodeCheck:
    """Return what is known about `code` after it was compiled here and loaded in the sandbox.

    Raises SandboxUnavailable where code must not be run, SandboxDied when the sandbox went away.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of its `is 1` and its "\\d"
            tree = parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        return CodeCheck(parses=False, problems=[f"does not compile: {exc}"])
    report = sandbox().run(code)
    loaded = report.loaded
    functions = [part.name for part in tree.body if isinstance(part, ast.FunctionDef)]
    defines = function_name in functions and (not loaded.returned or report.defines(function_name))
    problems = [] if defines else [f"does not define {function_name}"]
    if not loaded.returned:
        problems.append(_load_problem(loaded))
    return CodeCheck(
        parses=True,
        defines=defines,
        loads=loaded.returned,
        confined_by=str(report.level),
        problems=problems,
    )


def _load_problem(loaded: Outcome) -> str:
    match loaded.ending:
        case Ending.RAISED:
            return f"raises {loaded.error} at load: {loaded.message}"
        case Ending.TIMEOUT:
            return f"load timed out after {loaded.seconds:.0f} s"
        case _:
            return f"the process ended at load: {loaded.error}"


_lock = threading.Lock()
_shared: Sandbox | None = None


def sandbox() -> Sandbox:
    """Return this process's sandbox, set up as the environment's settings say.

    A graph is handed no settings, so they are read here, once. The sandbox ends with the process; a
    forked process gets one of its own. Raises ConfigurationError for settings that cannot be read.
    """
    global _shared
    with _lock:
        if _shared is None:
            _shared = Sandbox(unsafe_ok=Settings.from_environment().sandbox_unsafe_ok)
        return _shared


def close() -> None:
    """Stop the sandbox, if it runs; it starts again when it is needed again."""
    global _shared
    with _lock:
        closing, _shared = _shared, None
    if closing is not None:
        closing.close()


def _forget() -> None:
    """Leave the parent's sandbox to the parent."""
    global _lock, _shared
    _lock, _shared = threading.Lock(), None


atexit.register(close)
os.register_at_fork(after_in_child=_forget)
