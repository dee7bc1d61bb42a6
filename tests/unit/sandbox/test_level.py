from __future__ import annotations

import pytest

from liftgraph_dagster.sandbox.confinement import Level

FULL = {"landlock": 7, "seccomp": True, "no_new_privs": True, "ordinary_user": True}


@pytest.mark.parametrize(
    ("changes", "text", "missing"),
    [
        ({}, "Landlock 7, seccomp, no_new_privs, ordinary user", ()),
        ({"landlock": 0}, "seccomp, no_new_privs, ordinary user", ("Landlock",)),
        ({"seccomp": False}, "Landlock 7, no_new_privs, ordinary user", ("seccomp",)),
        ({"no_new_privs": False}, "Landlock 7, seccomp, ordinary user", ("no_new_privs",)),
        ({"ordinary_user": False}, "Landlock 7, seccomp, no_new_privs", ("ordinary user",)),
        (
            dict.fromkeys(FULL, 0),
            "limits only",
            ("Landlock", "seccomp", "no_new_privs", "ordinary user"),
        ),
    ],
)
def test_a_level_names_what_is_there_and_what_is_missing(
    changes: dict[str, int], text: str, missing: tuple[str, ...]
) -> None:
    level = Level(**(FULL | changes))

    assert (str(level), level.missing, level.complete) == (text, missing, not missing)
