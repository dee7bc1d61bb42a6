"""A machine that lacks a layer of the confinement: the kernel refuses the one call that it needs.

lacking.py LAYER [REASON]    runs a small program and prints a JSON object of what came of it
"""

from __future__ import annotations

import ctypes
import errno
import json
import sys

from liftgraph_dagster.errors import LiftGraphError
from liftgraph_dagster.sandbox import confinement, seccomp
from liftgraph_dagster.sandbox.libc import libc
from liftgraph_dagster.sandbox.sandbox import Call, Sandbox

_PRCTL, _SETRESUID, _LANDLOCK_CREATE_RULESET = 157, 117, 444  # of x86-64
_NEEDS = {
    confinement.LANDLOCK: (_LANDLOCK_CREATE_RULESET, None, errno.ENOSYS),
    confinement.SECCOMP: (_PRCTL, 22, errno.EINVAL),
    confinement.NO_NEW_PRIVS: (_PRCTL, 38, errno.EINVAL),
    confinement.ORDINARY_USER: (_SETRESUID, None, errno.EPERM),
}


def take_away(layer: str) -> None:
    """Have the kernel refuse what `layer` needs, for this process and all that it starts."""
    number, argument, error = _NEEDS[layer]
    instructions = [
        (0x20, 0, 0, 0),  # load the call's number
        (0x15, 0, 3 if argument is not None else 1, number),
        *([(0x20, 0, 0, 16), (0x15, 0, 1, argument)] if argument is not None else []),
        (0x06, 0, 0, 0x00050000 | error),
        (0x06, 0, 0, 0x7FFF0000),
    ]
    array = (seccomp._Instruction * len(instructions))(
        *[seccomp._Instruction(*parts) for parts in instructions]
    )
    program = seccomp._Program(len(instructions), array)
    seccomp.give_up_privileges()
    assert libc().prctl(22, 2, ctypes.byref(program), 0, 0) == 0


def main(layer: str, reason: str = "") -> dict[str, object]:
    take_away(layer)
    try:
        with Sandbox(unsafe_ok=reason) as sandbox:
            report = sandbox.run("def twice(n): return 2 * n", [Call("twice", "(21,)")])
    except LiftGraphError as exc:
        return {"error": type(exc).__name__, "message": str(exc)}
    return {
        "value": report.calls[0].value,
        "level": str(report.level),
        "missing": report.level.missing,
        "unsafe_ok": report.unsafe_ok,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
