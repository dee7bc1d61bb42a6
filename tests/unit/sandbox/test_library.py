from __future__ import annotations

from liftgraph_dagster.sandbox import library
from liftgraph_dagster.sandbox.sandbox import Call, Ending, Sandbox

LOOK = """
import importlib, os, sysconfig

def read_installed():
    root = sysconfig.get_path("stdlib")
    found = []
    for place in (root, ""):
        for installed in ("site-packages", "dist-packages"):
            for folder, _, files in os.walk(f"{place}/{installed}"):
                for file in files:
                    try:
                        open(f"{folder}/{file}").close()
                    except OSError:
                        continue
                    found.append(f"{folder}/{file}")
    return found[:3]

def import_late():
    return [importlib.import_module(name).__name__ for name in ("json.tool", "wsgiref", "csv")]
"""


def test_nothing_that_is_installed_beside_the_library_can_be_read() -> None:
    beside = [path / "site-packages" for path in library.directories()]
    assert (
        any(place.is_dir() and any(place.iterdir()) for place in beside) or not beside[0].is_dir()
    )

    with Sandbox() as sandbox:
        report = sandbox.run(LOOK, [Call("read_installed", "()"), Call("import_late", "()")])

    assert [outcome.ending for outcome in report.calls] == [Ending.RETURNED] * 2
    assert report.calls[0].value == []
    assert report.calls[1].value == ["json.tool", "wsgiref", "csv"]


def test_the_library_is_all_but_what_is_installed() -> None:
    names = {path.name for path in library.entries()}

    assert {"json", "os.py", "lib-dynload"} <= names
    assert not {"site-packages", "dist-packages"} & names
