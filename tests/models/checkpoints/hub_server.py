"""A small Hub on loopback: the part of the Hugging Face protocol that a model upload and a snapshot download use.

Repositories, commits, large files by LFS, private repositories and access tokens; everything in memory. It is written
to the wire protocol, so the installed huggingface_hub talks to it as to the real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

GOOD_TOKEN = "hf_" + "x" * 34
LARGE_FILES = (".safetensors",)

Reply = tuple[int, bytes, dict[str, str]]


@dataclass
class Repository:
    """Commits of one repository, oldest first: (sha, message, files)."""

    private: bool
    commits: list[tuple[str, str, dict[str, bytes]]] = field(default_factory=list)

    def commit(self, message: str, files: dict[str, bytes]) -> str:
        digest = hashlib.sha1(repr((len(self.commits), message, sorted(files.items()))).encode())
        self.commits.append((digest.hexdigest(), message, files))
        return digest.hexdigest()

    def find(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        for sha, _, files in reversed(self.commits):
            if revision in ("main", sha):
                return sha, files
        return None


class HubServer(ThreadingHTTPServer):
    """The server; ``repositories`` and ``requests`` are open to the tests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.large_files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.full = False
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


def _json(content: Any, status: int = 200) -> Reply:
    return status, json.dumps(content).encode(), {"Content-Type": "application/json"}


def _error(status: int, code: str, message: str) -> Reply:
    return status, json.dumps({"error": message}).encode(), {"X-Error-Code": code, "X-Error-Message": message}


NO_SUCH_REPO = _error(404, "RepoNotFound", "Repository not found")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def _answer(self) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(f"{self.command} {path}")
        status, content, headers = self._route(path, body)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 - the names that http.server calls

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    @property
    def _authorized(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {GOOD_TOKEN}"

    def _route(self, path: str, body: bytes) -> Reply:
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            front = re.match(r"---\n(.*?)\n---\n", json.loads(body)["content"], re.DOTALL)
            faults = [] if front else [{"message": "no front matter"}]
            return _json({"errors": faults, "warnings": []}, 400 if faults else 200)
        if match := re.fullmatch(r"/large/(\w+)", path):
            if hashlib.sha256(body).hexdigest() != match[1]:
                return _error(400, "BadDigest", "content differs from its sha256")
            self.server.large_files[match[1]] = body
            return 200, b"", {}
        if match := re.fullmatch(r"/(.+?/.+?)\.git/info/lfs/objects/batch", path):
            return self._large_file_places(json.loads(body))
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(preupload|commit|revision|tree)/([^/]+))?", path):
            repository = self._visible(match[1])
            if repository is None:
                return NO_SUCH_REPO
            if match[2] in ("preupload", "commit"):
                if not self._authorized:
                    return _error(403, "Forbidden", "this token may not write")
                return self._preupload(body) if match[2] == "preupload" else self._commit(match[1], repository, body)
            return self._info(match[1], repository, match[2], match[3] or "main")
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._resolve(match[1], match[2], match[3])
        return 404, b"{}", {}

    def _visible(self, name: str) -> Repository | None:
        repository = self.server.repositories.get(name)
        return None if repository is None or (repository.private and not self._authorized) else repository

    def _create(self, request: dict[str, Any]) -> Reply:
        if not self._authorized:
            return _error(401, "Unauthorized", "Invalid username or password.")
        name = f"{request['organization']}/{request['name']}"
        url = {"url": f"{self.server.url}/{name}"}
        if name in self.server.repositories:
            return _json({**url, "error": "You already created this model repo"}, 409)
        private = request.get("visibility") == "private" or bool(request.get("private"))
        self.server.repositories[name] = Repository(private)
        self.server.repositories[name].commit("initial commit", {".gitattributes": b"*.safetensors filter=lfs\n"})
        return _json(url)

    def _preupload(self, body: bytes) -> Reply:
        return _json(
            {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["path"].endswith(LARGE_FILES) else "regular",
                        "shouldIgnore": False,
                    }
                    for file in json.loads(body)["files"]
                ]
            }
        )

    def _large_file_places(self, request: dict[str, Any]) -> Reply:
        def place(oid: str, size: int) -> dict[str, Any]:
            if self.server.full:
                return {"oid": oid, "size": size, "error": {"code": 507, "message": "no storage left"}}
            if oid in self.server.large_files:
                return {"oid": oid, "size": size}
            return {"oid": oid, "size": size, "actions": {"upload": {"href": f"{self.server.url}/large/{oid}"}}}

        objects = [place(wanted["oid"], wanted["size"]) for wanted in request["objects"]]
        return _json({"transfer": "basic", "objects": objects})

    def _commit(self, name: str, repository: Repository, body: bytes) -> Reply:
        message, files = "", dict(repository.commits[-1][2])
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "header":
                message = value["summary"]
            elif operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.server.large_files[value["oid"]]
            elif operation["key"] == "deletedFile":
                del files[value["path"]]
            else:
                return _error(400, "BadOperation", operation["key"])
        sha = repository.commit(message, files)
        return _json({"commitUrl": f"{self.server.url}/{name}/commit/{sha}", "commitOid": sha, "success": True})

    def _info(self, name: str, repository: Repository, what: str | None, revision: str) -> Reply:
        found = repository.find(revision)
        if found is None:
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        sha, files = found
        if what == "tree":
            return _json([self._tree_entry(path, content) for path, content in files.items()])
        siblings = [{"rfilename": path} for path in files]
        return _json({"id": name, "modelId": name, "sha": sha, "private": repository.private, "siblings": siblings})

    def _tree_entry(self, path: str, content: bytes) -> dict[str, Any]:
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": blob}
        if path.endswith(LARGE_FILES):
            sha256 = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
        return entry

    def _resolve(self, name: str, revision: str, path: str) -> Reply:
        repository = self._visible(name)
        if repository is None:
            return NO_SUCH_REPO
        found = repository.find(revision)
        if found is None:
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        sha, files = found
        if path not in files:
            return _error(404, "EntryNotFound", f"no {path} in {revision}")
        entry = self._tree_entry(path, files[path])
        etag = entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]
        return 200, files[path], {"ETag": f'"{etag}"', "X-Repo-Commit": sha, "Content-Type": "application/octet-stream"}
