"""One execution in a process of its own, which may kill itself: what the tests of durability start.

child.py run PROMPT [EVENT]     accept and run; print the id first
child.py resume ID [EVENT]      go on

With EVENT the process is killed as soon as the event of that place has been committed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from liftgraph_dagster import LiftGraph
from liftgraph_dagster.cli.exits import exit_code, sentence
from liftgraph_dagster.errors import LiftGraphError


async def main(action: str, what: str, kill_at: int) -> None:
    def observe(execution, event) -> None:
        if event.seq == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    async with LiftGraph(observers=[observe]) as lg:
        execution_id = what
        if action == "run":
            execution_id = (await lg.accept("prompt_to_code", what)).id
            print(execution_id, flush=True)
        await lg.resume(execution_id)


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0))
    except LiftGraphError as exc:
        print(sentence(exc), file=sys.stderr)
        sys.exit(exit_code(exc))
