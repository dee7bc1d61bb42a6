"""Digests: the names by which graphs, programs, datasets and states are compared."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """Return the SHA-256 of `value` as canonical JSON, 64 hexadecimal characters.

    Two values have one digest exactly when their JSON is equal after sorting the keys. Raises
    ValueError for NaN and infinities, TypeError for what JSON cannot carry.
    """
    return digest_bytes(canonical_json(value))


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of `data`, 64 hexadecimal characters."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: Any) -> bytes:
    """Return `value` as JSON with sorted keys and no spaces, in UTF-8."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def short(full: str) -> str:
    """Return the first 12 characters of a digest: enough to tell a few thousand apart."""
    return full[:12]
