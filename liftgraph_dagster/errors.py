"""Every error that LiftGraph raises on purpose.

LiftGraphError
├── ConfigurationError          fix the settings, the machine or the program's code
│   ├── GraphError              a graph that cannot be built
│   └── SchemaRefused           a JSON schema that a model server would not honour in full
├── InputError                  fix what was handed in
│   ├── DatasetError            a line of a dataset: names file, line or row, and field
│   ├── NotFound                an unknown graph, program, dataset or execution
│   └── Undefined               a statistic that the data do not determine
├── StorageError                the database: unreachable, too old, gone in the middle
├── ProviderError               a language model's server: knows `retryable` and `retry_after_s`
│   ├── ServerUnreachable       nobody listens at its address
│   ├── CircuitOpen             it has failed so often that nothing was sent
│   ├── OutputTruncated         the model was cut off at `max_tokens`
│   └── OutputInvalid           the model's answer does not match its schema
└── ExecutionError              one execution: knows `execution_id` and `node`
    ├── ExecutionBusy           another process runs it
    ├── ExecutionFenced         another process has moved it on
    ├── ExecutionEnded          it has ended and cannot go on
    ├── VersionMismatch         it was started by another version of its graph
    └── NodeFailed              a node raised: `__cause__` is what it raised

A message says what happened, to which thing, and what to do next.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorClass(StrEnum):
    """What a caller can do about an error; the input of every recovery decision."""

    TRANSIENT = "transient"
    """The network or a server; the same call may succeed later."""
    RATE_LIMITED = "rate_limited"
    """The provider asks us to slow down; never counted as an attempt."""
    TIMEOUT = "timeout"
    """No answer within the budget."""
    VALIDATION = "validation"
    """An answer came and is wrong; asking again with feedback may help."""
    RESOURCE = "resource"
    """Too long, too large, too slow for what is allowed."""
    CONFIGURATION = "configuration"
    """Credentials, an address or the machine must be changed first; says nothing of the call."""
    PERMANENT = "permanent"
    """The same call will fail again."""
    CANCELLED = "cancelled"
    """Somebody asked for it to stop."""
    UNKNOWN = "unknown"
    """Raised by code that we do not know."""


class LiftGraphError(Exception):
    """Base of all errors that LiftGraph raises on purpose."""

    error_class: ErrorClass = ErrorClass.PERMANENT


class ConfigurationError(LiftGraphError):
    """The settings, the machine or the program's code must change first."""

    error_class = ErrorClass.CONFIGURATION


class GraphError(ConfigurationError):
    """A graph that cannot be built, or a node that breaks its contract."""

    error_class = ErrorClass.PERMANENT


class SchemaRefused(ConfigurationError):
    """A JSON schema with a keyword that a model server would refuse or silently ignore."""

    error_class = ErrorClass.PERMANENT

    def __init__(self, *, keyword: str, path: str, reason: str) -> None:
        self.keyword = keyword
        self.path = path
        super().__init__(f"JSON schema keyword {keyword!r} at {path} {reason}")


class InputError(LiftGraphError):
    """What was handed in is not usable; nothing was stored."""


class DatasetError(InputError):
    """A line of a dataset, or a row where there are no lines, that cannot be used."""

    def __init__(
        self, message: str, *, file: str, line: int, field: str, unit: str = "line"
    ) -> None:
        self.file = file
        self.line = line
        """From 1; 0 when it is about the whole file."""
        self.field = field
        place = f"{file}, {unit} {line}" if line else file
        super().__init__(f"{place}, field {field}: {message}")


class NotFound(InputError):
    """Nothing of that name or id exists here."""


class Undefined(InputError):
    """A statistic that the data do not determine; says what is missing. It is never a NaN."""


class StorageError(LiftGraphError):
    """The database cannot be reached, is too old, or went away in the middle."""

    error_class = ErrorClass.TRANSIENT


class ProviderError(LiftGraphError):
    """A language model's server did not give a usable answer."""

    def __init__(
        self,
        message: str,
        *,
        error_class: ErrorClass = ErrorClass.TRANSIENT,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.error_class = error_class
        self.status = status
        self.retry_after_s = retry_after_s
        self.attempts = 1
        """Requests that were sent before this error was the last word."""
        self.spent_s = 0.0
        """Seconds that they took, with the pauses between them."""
        super().__init__(message)

    def __str__(self) -> str:
        message = super().__str__()
        if self.attempts == 1:
            return message
        return f"{message} (tried {self.attempts} times in {self.spent_s:.1f} s)"

    @property
    def retryable(self) -> bool:
        """True when the same request may succeed later, unchanged."""
        return self.error_class in _RETRYABLE


_RETRYABLE = frozenset({ErrorClass.TRANSIENT, ErrorClass.RATE_LIMITED, ErrorClass.TIMEOUT})


class ServerUnreachable(ProviderError):
    """No connection could be made: nothing was sent."""


class CircuitOpen(ProviderError):
    """The server has failed so often that this request was not sent."""


class OutputTruncated(ProviderError):
    """The model was cut off at `max_tokens`; a longer limit or a shorter schema is needed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, error_class=ErrorClass.VALIDATION)


class OutputInvalid(ProviderError):
    """The model's answer does not match the schema that it was given."""

    def __init__(self, message: str, *, answer: str) -> None:
        self.answer = answer
        super().__init__(message, error_class=ErrorClass.VALIDATION)


class ExecutionError(LiftGraphError):
    """Something about one execution."""

    def __init__(self, message: str, *, execution_id: str, node: str | None = None) -> None:
        self.execution_id = execution_id
        self.node = node
        super().__init__(message)


class ExecutionBusy(ExecutionError):
    """Another process is running this execution."""

    error_class = ErrorClass.TRANSIENT


class ExecutionFenced(ExecutionError):
    """Another process has moved this execution on; what this one did was not stored."""

    error_class = ErrorClass.CANCELLED


class ExecutionEnded(ExecutionError):
    """The execution has succeeded or was cancelled, and cannot go on."""


class VersionMismatch(ExecutionError):
    """The execution was started by another version of its graph."""

    def __init__(self, message: str, *, execution_id: str, changed: tuple[str, ...]) -> None:
        self.changed = changed
        super().__init__(message, execution_id=execution_id)


class NodeFailed(ExecutionError):
    """A node raised; the state before it is stored and the execution can be resumed."""

    error_class: ErrorClass = ErrorClass.UNKNOWN

    def __init__(
        self, message: str, *, execution_id: str, node: str, error_class: ErrorClass
    ) -> None:
        super().__init__(message, execution_id=execution_id, node=node)
        self.error_class = error_class
