"""A foreign model server on a port, written with nothing of ours: keeps the bytes that reach it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The JSON of the request."""
        return json.loads(self.raw)


@dataclass
class Reply:
    """What the server sends: JSON, or bytes as they are. `claimed_length` may lie about them."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    claimed_length: int | None = None
    hang: bool = False
    """Read the request, then say nothing until the server stops."""

    @property
    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def completion(answer: Any, **changes: Any) -> Reply:
    """Return a chat completion whose text is `answer` as JSON."""
    message = {"role": "assistant", "content": json.dumps(answer)}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "recorded",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    return Reply(body=body | changes)


class RecordingServer:
    """The server. `received` holds every request, `reply` is what it answers."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.reply = Reply(500)
        self.url = ""
        self.stopping = threading.Event()

    @contextlib.contextmanager
    def serve(self) -> Iterator[RecordingServer]:
        """Serve on a free port while the body runs."""
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                recorder.received.append(Received(self.command, self.path, headers, raw))
                reply = recorder.reply
                if reply.hang:
                    recorder.stopping.wait(60)
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                length = len(reply.raw) if reply.claimed_length is None else reply.claimed_length
                self.send_header("content-length", str(length))
                self.end_headers()
                self.wfile.write(reply.raw)
                self.close_connection = reply.claimed_length is not None

            do_GET = do_POST = answer

            def log_message(self, *args: Any) -> None:
                """Keep quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            server.shutdown()
            server.server_close()
            thread.join()
