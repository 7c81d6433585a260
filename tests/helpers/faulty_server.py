"""An HTTP proxy that now and then answers as an object store does on a bad day."""

import http.client
import random
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Trouble = Literal["busy", "cut", "lost answer", "forbidden"]
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "server", "expect"}


class FaultyServer:
    """Stands before the server at `target`, 'host:port'; `trouble` at a share of the requests.

    busy: 503. cut: no answer. lost answer: the request is done, and answered by 500. forbidden: 403.
    """

    def __init__(self, target: str, trouble: Trouble | None, share: float, seed: int) -> None:
        self.counts = Counter[str]()
        counts, lock, rng = self.counts, threading.Lock(), random.Random(seed)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None: ...

            def _any(self) -> None:
                body = self._body()
                with lock:
                    now = trouble if rng.random() < share else None
                    counts[now or "as it should be"] += 1
                match now:
                    case "busy":
                        return self._answer(503, [], b"")
                    case "forbidden":
                        return self._answer(403, [], b"")
                    case "cut":
                        self.connection.shutdown(socket.SHUT_RDWR)
                        self.close_connection = True
                        return None
                status, headers, content = self._forwarded(body)
                return self._answer(500, [], b"") if now else self._answer(status, headers, content)

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline().partition(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                while self.rfile.readline().strip():  # trailers
                    pass
                return b"".join(parts)

            def _forwarded(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
                connection = http.client.HTTPConnection(target)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                return answer.status, answer.getheaders(), content

            def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
                self.send_response(status)
                kept = {name: value for name, value in headers if name.lower() not in HOP_BY_HOP}
                for name, value in ({"Content-Length": str(len(content))} | kept).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content if self.command != "HEAD" else b"")

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FaultyServer":
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
