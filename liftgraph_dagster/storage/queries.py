"""The SQL statements, read from `sql/*.sql`.

A statement begins with a line `-- name --`, then comment lines that say what it returns, then the
text. Parameters are written `:name` and become `$1`, `$2`, ... in order of appearance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

_HEADER = re.compile(r"^-- (\w+) --$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]\w*)")


@dataclass(frozen=True)
class Statement:
    """One statement, ready for asyncpg."""

    name: str
    text: str
    """With `$1`, `$2`, ... for the parameters."""
    parameters: tuple[str, ...]
    """Names of the parameters, in the order of their numbers."""

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Return `values` in the order of the parameters. Raises KeyError for a missing one and
        TypeError for one that the statement does not have."""
        if unknown := values.keys() - set(self.parameters):
            raise TypeError(f"statement {self.name} has no parameter {', '.join(sorted(unknown))}")
        return [values[name] for name in self.parameters]


@cache
def statements() -> Mapping[str, Statement]:
    """Return all statements by name."""
    found: dict[str, Statement] = {}
    for file in sorted(resources.files(__package__).joinpath("sql").iterdir(), key=str):
        if file.name.endswith(".sql"):
            found.update(_parse(file.read_text()))
    return found


def _parse(source: str) -> dict[str, Statement]:
    parts = _HEADER.split(source)[1:]
    return {
        name: _statement(name, body) for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def _statement(name: str, body: str) -> Statement:
    text = "\n".join(line for line in body.splitlines() if not line.startswith("--")).strip()
    parameters = tuple(dict.fromkeys(_PARAMETER.findall(text)))
    numbers = {parameter: index for index, parameter in enumerate(parameters, 1)}
    return Statement(name, _PARAMETER.sub(lambda m: f"${numbers[m[1]]}", text), parameters)
