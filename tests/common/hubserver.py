"""A server on this machine that speaks those routes of the Hugging Face hub that its client uses for models."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_right"
Files = dict[str, bytes]


@dataclass
class Repo:
    """A model: its commits by SHA-1, and its branches."""

    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    private: bool = False

    def commit(self, branch: str, files: Files) -> str:
        """Add a commit to a branch."""
        about = json.dumps([len(self.commits), branch, sorted((k, sha1(v).hexdigest()) for k, v in files.items())])
        name = sha1(about.encode()).hexdigest()
        self.commits[name], self.branches[branch] = files, name
        return name

    def find(self, revision: str) -> str | None:
        """The commit of a branch, or a commit itself."""
        return self.branches.get(revision, revision if revision in self.commits else None)


@dataclass
class Hub:
    """The state of the server, and how it misbehaves."""

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    objects: Files = field(default_factory=dict)
    lfs: bool = False
    """Whether large files are uploaded as LFS objects, as the real hub wants it."""
    broken: int = 0
    """Status with which every request is answered; 0 for what is right."""
    break_off: str = ""
    """Name of the file whose download breaks off in the middle."""
    requests: list[str] = field(default_factory=list)

    def files(self, name: str, branch: str = "main") -> Files:
        """The files of a branch."""
        return self.repos[name].commits[self.repos[name].branches[branch]]


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self.serve("GET")

    def do_HEAD(self) -> None:
        self.serve("HEAD")

    def do_POST(self) -> None:
        self.serve("POST")

    def do_PUT(self) -> None:
        self.serve("PUT")

    def serve(self, method: str) -> None:
        """Answer with the first route that fits."""
        path = unquote(urlsplit(self.path).path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requests.append(f"{method} {path}")
        if self.hub.broken:
            return self.send({"error": "out of order"}, self.hub.broken)
        for pattern, route in ROUTES:
            if match := re.fullmatch(pattern, f"{method} {path}"):
                route(self, *match.groups())
                return None
        return self.send({"error": f"no route {method} {path}"}, 501)

    def send(self, content: Any, status: int = 200, **headers: str) -> None:
        """Send JSON, or bytes as they are."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(data))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, code: str, status: int) -> None:
        """Send an error as the hub names it."""
        self.send({"error": code}, status, X_Error_Code=code, X_Error_Message=code)

    @property
    def allowed(self) -> bool:
        """Whether the request has the right token."""
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def repo(self, name: str) -> Repo | None:
        """A model that the request may see; without one the refusal is sent."""
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self.allowed):
            self.refuse("RepoNotFound", 404 if self.allowed else 401)
            return None
        return repo

    def info(self, name: str, revision: str | None = None) -> None:
        if not (repo := self.repo(name)):
            return None
        if not (found := repo.find(revision or "main")):
            return self.refuse("RevisionNotFound", 404)
        siblings = [{"rfilename": key, "size": len(value)} for key, value in repo.commits[found].items()]
        return self.send({"id": name, "sha": found, "private": repo.private, "siblings": siblings})

    def create(self) -> None:
        if not self.allowed:
            return self.send({"error": "Invalid username or password."}, 401)
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        if name.startswith("closed/"):
            return self.send({"error": "You don't have the rights to create a model here"}, 403)
        if name in self.hub.repos:
            return self.send({"error": "You already created this model repo", "url": f"{self.hub.url}/{name}"}, 409)
        self.hub.repos[name] = Repo(private=asked.get("visibility") == "private")
        self.hub.repos[name].commit("main", {".gitattributes": b"*.safetensors filter=lfs\n"})
        return self.send({"url": f"{self.hub.url}/{name}", "name": name, "id": name})

    def branch(self, name: str, branch: str) -> None:
        repo = self.hub.repos[name]
        repo.branches.setdefault(branch, repo.branches["main"])
        self.send({})

    def validate(self) -> None:
        self.send({"errors": [], "warnings": []})

    def preupload(self, name: str, _revision: str) -> None:
        files = json.loads(self.body)["files"]
        large = {each["path"]: self.hub.lfs and each["path"].endswith(".safetensors") for each in files}
        modes = [
            {"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False}
            for path, lfs in large.items()
        ]
        self.send({"files": modes})

    def batch(self, _name: str) -> None:
        objects = json.loads(self.body)["objects"]
        href = {each["oid"]: {"upload": {"href": f"{self.hub.url}/objects/{each['oid']}"}} for each in objects}
        answer = [{**each, "authenticated": True, "actions": href[each["oid"]]} for each in objects]
        self.send({"transfer": "basic", "objects": answer})

    def put(self, oid: str) -> None:
        assert sha256(self.body).hexdigest() == oid
        self.hub.objects[oid] = self.body
        self.send({})

    def commit(self, name: str, branch: str) -> None:
        if not self.allowed:
            return self.send({"error": "Invalid username or password."}, 401)
        repo = self.hub.repos[name]
        files = dict(repo.commits[repo.branches[branch]])
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        oid = repo.commit(branch, files)
        return self.send({"commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "commitOid": oid, "pullRequestUrl": None})

    def resolve(self, name: str, revision: str, file: str) -> None:
        if not (repo := self.repo(name)):
            return None
        if not (found := repo.find(revision)):
            return self.refuse("RevisionNotFound", 404)
        if (content := repo.commits[found].get(file)) is None:
            return self.refuse("EntryNotFound", 404)
        tag = f'"{sha1(content).hexdigest()}"'
        if file == self.hub.break_off and self.command == "GET":
            self.send(content[: len(content) // 2], Content_Length=str(len(content)), ETag=tag, X_Repo_Commit=found)
            self.close_connection = True
            return None
        return self.send(content, ETag=tag, X_Repo_Commit=found, Content_Type="application/octet-stream")


NAME = r"([^/]+/[^/]+)"
ROUTES: list[tuple[str, Any]] = [
    (rf"GET /api/models/{NAME}", Handler.info),
    (rf"GET /api/models/{NAME}/revision/(.+)", Handler.info),
    ("POST /api/repos/create", Handler.create),
    (rf"POST /api/models/{NAME}/branch/(.+)", Handler.branch),
    ("POST /api/validate-yaml", Handler.validate),
    (rf"POST /api/models/{NAME}/preupload/(.+)", Handler.preupload),
    (rf"POST /{NAME}\.git/info/lfs/objects/batch", Handler.batch),
    ("PUT /objects/([0-9a-f]{64})", Handler.put),
    (rf"POST /api/models/{NAME}/commit/(.+)", Handler.commit),
    (rf"(?:GET|HEAD) /{NAME}/resolve/([^/]+)/(.+)", Handler.resolve),
]


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Run a hub at a free port of this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
