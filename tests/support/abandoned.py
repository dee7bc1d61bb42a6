"""A process whose sandbox is busy for ever: prints the ids of all processes below it, and waits."""

from __future__ import annotations

import os
import threading

from liftgraph_dagster.sandbox.sandbox import Limits, Sandbox
from tests.support.attacks import processes_below

if __name__ == "__main__":
    sandbox = Sandbox()
    sandbox.run("")
    limits = Limits(call_s=600, total_s=600)
    threading.Thread(target=sandbox.run, args=("while True: pass", (), limits)).start()
    while len(processes_below(os.getpid())) < 2:
        pass
    print(*processes_below(os.getpid()), flush=True)
