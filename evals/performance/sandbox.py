"""What does it cost to run a program in the sandbox, beside a plain subprocess and no sandbox?

A program defines a function that squares a number. Programs a second, each with one call and each
with ten, from one thread and from as many as there are processors. A plain subprocess is
`python -I -c`, unconfined, and prints its results; no sandbox is `exec` in this process, which
nothing confines at all. Each row is the median of 5 rounds in turn; times are of the same run.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table

from liftgraph_dagster.sandbox.sandbox import Call, Sandbox

CODE = "def square(n):\n    return n * n\n"
ROUNDS = 5

Way = Callable[[int], None]


def in_sandbox(sandbox: Sandbox) -> Way:
    def run(calls: int) -> None:
        report = sandbox.run(CODE, [Call("square", f"({n},)") for n in range(calls)])
        assert [outcome.value for outcome in report.calls] == [n * n for n in range(calls)]

    return run


def in_subprocess(calls: int) -> None:
    code = f"{CODE}print([square(n) for n in range({calls})])"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().strip() == str([n * n for n in range(calls)])


def in_this_process(calls: int) -> None:
    scope: dict[str, Callable[[int], int]] = {}
    exec(compile(CODE, "<program>", "exec"), scope)
    assert [scope["square"](n) for n in range(calls)] == [n * n for n in range(calls)]


def seconds(way: Way, *, programs: int, calls: int, threads: int) -> float:
    """Return the seconds that a program takes, all `threads` being busy."""
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(way, [calls] * programs))
    return (time.perf_counter() - started) / programs


def main() -> None:
    processors = os.cpu_count() or 1
    settings = [(calls, threads) for calls in (1, 10) for threads in dict.fromkeys((1, processors))]
    with Sandbox() as sandbox:
        started = time.perf_counter()
        level = sandbox.run("").level
        start_ms = (time.perf_counter() - started) * 1000
        ways = {
            "sandbox": (in_sandbox(sandbox), 200),
            "subprocess": (in_subprocess, 40),
            "no sandbox": (in_this_process, 2000),
        }
        table = Table("", "calls", "threads", "ms", "programs/s", "calls/s", "times", box=None)
        for calls, threads in settings:
            taken: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(ROUNDS):
                for name, (way, programs) in ways.items():
                    found = seconds(way, programs=programs, calls=calls, threads=threads)
                    taken[name].append(found)
            medians = {name: statistics.median(found) for name, found in taken.items()}
            for name, median in medians.items():
                table.add_row(
                    name, str(calls), str(threads), f"{median * 1000:.3f}", f"{1 / median:,.0f}",
                    f"{calls / median:,.0f}", f"{median / medians['sandbox']:.4f}",
                )  # fmt: skip
    console = Console()
    console.print(f"confined by {level}; first program, with the start: {start_ms:.0f} ms")
    console.print(table)
    console.print("times: of what the same costs in the sandbox")


if __name__ == "__main__":
    main()
