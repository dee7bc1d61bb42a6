"""One owner of an embedded server in a process of its own: what the tests of the server start.

owner.py HOME [UID]     start, print `ready`, and stop at the end of the standard input

With UID the process becomes that user first.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from liftgraph_dagster.storage.embedded import EmbeddedPostgres

if __name__ == "__main__":
    if len(sys.argv) > 2:
        os.setgroups([])
        os.setgid(int(sys.argv[2]))
        os.setuid(int(sys.argv[2]))
    with EmbeddedPostgres(Path(sys.argv[1])):
        print("ready", flush=True)
        sys.stdin.read()
