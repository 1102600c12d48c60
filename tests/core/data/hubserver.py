"""A server on 127.0.0.1 that speaks as much of the hub's protocol as a download needs, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Serves the files of data sets and models: `files[repo][name] = bytes`.

    Faults: `busy` answers 503 to so many requests (-1: to all); `cut` sends so many times only half of a Parquet or
    safetensors file while it announces the whole length.
    """

    def __init__(self, files: dict[str, dict[str, bytes]], *, busy: int = 0, cut: int = 0) -> None:
        self.files, self.busy, self.cut = files, busy, cut
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # noqa: N802  # named by http.server
                hub.answer(self)

            def do_HEAD(self) -> None:  # noqa: N802
                hub.answer(self)

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(f"{request.command} {request.path}")
        if self.busy:
            self.busy -= self.busy > 0
            return self._send(request, 503, b"busy")
        path = request.path.split("?")[0].strip("/").split("/")
        if path[:2] in (["api", "datasets"], ["api", "models"]):
            return self._describe(request, "/".join(path[2:4]))
        if path[0] == "datasets" and path[3] == "resolve":
            return self._file(request, "/".join(path[1:3]), "/".join(path[5:]))
        if path[2:3] == ["resolve"]:
            return self._file(request, "/".join(path[:2]), "/".join(path[4:]))
        return self._send(request, 404, b"", {"X-Error-Code": "EntryNotFound"})

    def _describe(self, request: BaseHTTPRequestHandler, repo: str) -> None:
        revision = request.path.split("?")[0].partition("/revision/")[2]
        if repo not in self.files:
            return self._send(request, 404, b"", {"X-Error-Code": "RepoNotFound"})
        if revision not in {"", "main", COMMIT}:
            return self._send(request, 404, b"", {"X-Error-Code": "RevisionNotFound"})
        if "/tree/" in request.path:
            listed = self.files[repo].items()
            rows = [{"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()} for n, c in listed]
            return self._send(request, 200, json.dumps(rows).encode())
        siblings = [{"rfilename": name} for name in self.files[repo]]
        body = {"id": repo, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False, "disabled": False}
        return self._send(request, 200, json.dumps(body).encode())

    def _file(self, request: BaseHTTPRequestHandler, repo: str, name: str) -> None:
        content = self.files.get(repo, {}).get(name)
        if content is None:
            code = "EntryNotFound" if repo in self.files else "RepoNotFound"
            return self._send(request, 404, b"", {"X-Error-Code": code})
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        status, start = 200, 0
        if wanted := request.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"], status = f"bytes {start}-{len(content) - 1}/{len(content)}", 206
        body = content[start:]
        if request.command == "GET" and name.endswith((".parquet", ".safetensors")) and self.cut:
            self.cut -= self.cut > 0
            return self._send(request, status, body[: len(body) // 2], headers)  # whole as HTTP, short as a file
        return self._send(request, status, body, headers)

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)
