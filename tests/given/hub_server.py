"""A hub of models on loopback, as far as huggingface_hub asks one: it keeps what is pushed."""

import base64
import hashlib
import json
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_loopback"


@dataclass
class Repository:
    files: dict[str, bytes] = field(default_factory=dict)
    private: bool = False
    messages: list[str] = field(default_factory=list)

    @property
    def commit(self):
        state = [(name, _oid(content)) for name, content in sorted(self.files.items())]
        return hashlib.sha1(repr(state).encode()).hexdigest()


@dataclass
class Hub:
    """What the server holds, and how it misbehaves."""

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    uploaded: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refusals: list[tuple[str, int]] = field(default_factory=list)  # of what is asked, the status
    delay: float = 0.0  # s before each answer
    listed: dict[str, bytes] = field(default_factory=dict)  # in every listing, whatever it is

    def refuse(self, pattern, status):
        self.refusals.append((pattern, status))


@contextmanager
def serving():
    hub = Hub()
    handler = type("Answering", (Answers,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


def _oid(content):
    return hashlib.sha256(content).hexdigest()


class Answers(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def answer(self):
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = f"{self.command} {path}"
        self.hub.asked.append(asked)
        time.sleep(self.hub.delay)
        for pattern, status in self.hub.refusals:
            if re.search(pattern, asked):
                return self.send(status, {"error": "as the test wants it"})
        for pattern, method in ROUTES:
            if found := re.fullmatch(pattern, asked):
                return method(self, body, *found.groups())
        return self.send(404, {"error": "no such page"})

    def send(self, status, content=b"", headers=None):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        headers = {"Content-Type": "application/json", "Content-Length": len(data)} | (
            headers or {}
        )
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    @property
    def authorized(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def repository(self, name):
        """The repository of a name, or None after an answer that there is none."""
        found = self.hub.repositories.get(name)
        if found and (self.authorized or not found.private):
            return found
        code = {"X-Error-Code": "RepoNotFound"}
        self.send(404 if self.authorized else 401, {"error": "Repository not found"}, code)
        return None

    def create(self, body):
        wanted = json.loads(body)
        name = f"{wanted['organization']}/{wanted['name']}"
        if not self.authorized:
            return self.send(401, {"error": "Invalid username or password."})
        if name.startswith("others/"):
            return self.send(403, {"error": "You don't have the rights"})
        status = 409 if name in self.hub.repositories else 200
        private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
        self.hub.repositories.setdefault(name, Repository(private=private))
        return self.send(status, {"url": f"{self.hub.address}/{name}", "error": "exists"})

    def validate(self, body):
        return self.send(200, {"errors": [], "warnings": []})

    def preupload(self, body, name):
        if not (repository := self.repository(name)):
            return
        modes = []
        for file in json.loads(body)["files"]:
            large = file["path"].endswith(".safetensors")
            mode = "lfs" if large else "regular"
            modes.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False})
            if large and file["path"] in repository.files:
                modes[-1]["oid"] = _oid(repository.files[file["path"]])
        self.send(200, {"files": modes})

    def batch(self, body, name):
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.hub.address}/large/{one['oid']}"}}}
            for one in json.loads(body)["objects"]
        ]
        self.send(200, {"transfer": "basic", "objects": objects})

    def put(self, body, oid):
        assert _oid(body) == oid
        self.hub.uploaded[oid] = body
        self.send(200)

    def commit(self, body, name):
        if not (repository := self.repository(name)):
            return
        for line in body.splitlines():
            row = json.loads(line)
            value = row["value"]
            if row["key"] == "header":
                repository.messages.append(value["summary"])
            elif row["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif row["key"] == "lfsFile":
                repository.files[value["path"]] = self.hub.uploaded[value["oid"]]
        url = f"{self.hub.address}/{name}/commit/{repository.commit}"
        self.send(200, {"commitUrl": url, "commitOid": repository.commit, "success": True})

    def info(self, body, name, revision="main"):
        if not (repository := self.repository(name)):
            return
        if revision not in ("main", repository.commit):
            code = {"X-Error-Code": "RevisionNotFound"}
            return self.send(404, {"error": "Invalid rev id"}, code)
        files = repository.files | self.hub.listed
        siblings = [{"rfilename": path, "size": len(files[path])} for path in files]
        self.send(200, {"id": name, "sha": repository.commit, "siblings": siblings, "tags": []})

    def tree(self, body, name, revision):
        if repository := self.repository(name):
            self.send(200, self.entries(repository.files | self.hub.listed))

    def paths(self, body, name, revision):
        if repository := self.repository(name):
            wanted = (
                json.loads(body)["paths"] if body.startswith(b"{") else [unquote(body.decode())]
            )
            found = {path: text for path, text in repository.files.items() if path in str(wanted)}
            self.send(200, self.entries(found))

    @staticmethod
    def entries(files):
        return [
            {"type": "file", "path": path, "size": len(content), "oid": _oid(content)[:40]}
            for path, content in files.items()
        ]

    def resolve(self, body, name, revision, path):
        if not (repository := self.repository(name)):
            return
        files = repository.files | self.hub.listed
        if path not in files:
            return self.send(404, {"error": "none"}, {"X-Error-Code": "EntryNotFound"})
        content = files[path]
        etag = f'"{_oid(content)}"'
        headers = {"ETag": etag, "X-Repo-Commit": repository.commit, "X-Linked-Etag": etag}
        self.send(200, content, headers | {"X-Linked-Size": len(content)})


NAME = "([^/]+/[^/]+)"
ROUTES = [
    ("POST /api/repos/create", Answers.create),
    ("POST /api/validate-yaml", Answers.validate),
    (f"POST /api/models/{NAME}/preupload/main", Answers.preupload),
    (f"POST /{NAME}.git/info/lfs/objects/batch", Answers.batch),
    ("PUT /large/(.+)", Answers.put),
    (f"POST /api/models/{NAME}/commit/main", Answers.commit),
    (f"GET /api/models/{NAME}", Answers.info),
    (f"GET /api/models/{NAME}/revision/(.+)", Answers.info),
    (f"GET /api/models/{NAME}/tree/([^/]+)", Answers.tree),
    (f"POST /api/models/{NAME}/paths-info/([^/]+)", Answers.paths),
    (f"(?:GET|HEAD) /{NAME}/resolve/([^/]+)/(.+)", Answers.resolve),
]
