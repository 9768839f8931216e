"""A hub on loopback, as much of the Hugging Face Hub's HTTP interface as its own client asks for."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """files: by repository and name; large: names whose SHA-256 the hub states; cut: after how many bytes the first
    answer with a file ends; errors: status and X-Error-Code for paths with a part.
    page: what every question is answered with."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    large: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin")
    falsified: tuple[str, ...] = ()
    cut: int | None = None
    page: bytes | None = None
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    address: str = ""

    def described(self, repository: str) -> bytes:
        """What the hub says of a repository."""
        siblings = []
        for name, content in self.files[repository].items():
            sha = hashlib.sha256(content + b"!" * (name in self.falsified)).hexdigest()
            lfs = {"sha256": sha, "size": len(content), "pointerSize": 130}
            siblings.append({"rfilename": name, "size": len(content), "blobId": hashlib.sha1(
                b"blob %d\0" % len(content) + content + b"!" * (name in self.falsified)).hexdigest()}
                            | ({"lfs": lfs} if name in self.large else {}))
        return json.dumps({"id": repository, "modelId": repository, "sha": COMMIT, "private": False, "tags": [],
                           "downloads": 0, "likes": 0, "siblings": siblings, "cardData": {"license": "mit"}}).encode()


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """While the block lasts, the hub answers at its address."""
    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            hub.requests.append(f"{self.command} {path}")
            hub.tokens.append(self.headers["Authorization"])
            if hub.page is not None:
                return self.answer(200, hub.page, {"Content-Type": "text/html"})
            for part, (status, code) in hub.errors.items():
                if part in path:
                    return self.answer(status, b"{}", {"X-Error-Code": code})
            for repository, files in hub.files.items():
                if path.removeprefix("/api/models/").partition("/revision/")[0] == repository:
                    if "/revision/" in path and not path.endswith(("/main", COMMIT)):
                        return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
                    return self.answer(200, hub.described(repository), {"Content-Type": "application/json"})
                for name, content in files.items():
                    if path == f"/{repository}/resolve/{COMMIT}/{name}":
                        return self.file(name, content)
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        do_HEAD = do_GET

        def file(self, name: str, content: bytes) -> None:
            begin = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                       "Accept-Ranges": "bytes", "X-Linked-Size": str(len(content))}
            if begin:
                headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            if hub.cut is not None and name in hub.large and self.command == "GET":
                cut, hub.cut = hub.cut, None
                self.answer(200, content[:cut], headers | {"Content-Length": str(len(content))})
                self.close_connection = True
                return
            self.answer(206 if begin else 200, content[begin:], headers)

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
