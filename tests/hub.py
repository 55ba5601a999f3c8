"""A Hugging Face Hub on 127.0.0.1: the routes that the installed `huggingface_hub` and `datasets` call, and no others.

Files are served over plain HTTP, as the Hub does for clients without Xet. What the Hub answers in each case (status,
`X-Error-Code`) is what its clients tell gated, missing and private repositories apart by.
"""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "hf_writes"  # of the user "someone"
TOKENS = {TOKEN: "write", "hf_reads": "read"}
LARGE = (".safetensors", ".bin", ".parquet", ".png")  # git-lfs has them
LICENSES = {"apache-2.0", "mit", "cc-by-sa-4.0", "cc0-1.0", "bsd-3-clause", "gpl-3.0", "other", "unknown"}
REPOSITORY_ID = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9]([\w.-]*[A-Za-z0-9_])?(/[A-Za-z0-9]([\w.-]*[A-Za-z0-9_])?)?")


@dataclass
class Repository:
    """Revisions of files: name -> path -> content. `gated`: who has not accepted the terms reads its page alone."""

    revisions: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})
    gated: bool = False
    private: bool = False

    def commit(self, revision: str) -> str:
        files = sorted((path, hashlib.sha1(content).hexdigest()) for path, content in self.revisions[revision].items())
        return hashlib.sha1(json.dumps(files).encode()).hexdigest()

    def files(self, revision: str) -> dict[str, bytes] | None:
        """Of a branch, a tag or a commit."""
        named = [name for name in self.revisions if revision in (name, self.commit(name))]
        return self.revisions[named[0]] if named else None


class Hub:
    """`repositories`: ("models" or "datasets", id) -> `Repository`. `requests` has all that was asked for; the files of
    `truncated` are sent half, and the routes of `failing` answer 500."""

    def __init__(self):
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[str] = []
        self.commits: list[str] = []  # the title of each
        self.truncated: set[str] = set()
        self.failing: set[str] = set()
        self.large_files: dict[str, bytes] = {}  # sha256 -> content, uploaded but in no repository yet
        self.port = 0
        self.start()

    def start(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), type("Handler", (Handler,), {"hub": self}))
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @contextmanager
    def gone(self):
        self.stop()
        try:
            yield
        finally:
            self.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, kind: str, name: str, files: dict[str, bytes | str], **settings) -> Repository:
        content = {path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()}
        self.repositories[kind, name] = Repository({"main": content}, **settings)
        return self.repositories[kind, name]


class Refusal(Exception):
    def __init__(self, status: int, code: str, message: str):
        self.status, self.code, self.message = status, code, message


def etag(path: str, content: bytes) -> str:
    """git's blob id, or of a large file its sha256."""
    return (
        hashlib.sha256(content).hexdigest()
        if path.endswith(LARGE)
        else hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    )


def entry(path: str, content: bytes) -> dict:
    large = (
        {"lfs": {"oid": etag(path, content), "size": len(content), "pointerSize": 134}} if path.endswith(LARGE) else {}
    )
    return {"type": "file", "path": path, "size": len(content), "oid": etag(path, content), **large}


def faults_of_card(content: str) -> list[str]:
    """What the Hub refuses of a card's front matter, in its words."""
    match = re.match(r"---\n(.*?)\n---\n", content, re.DOTALL)
    data = yaml.safe_load(match[1]) if match else {}
    faults = []
    for name in ("base_model", "datasets"):
        values = data.get(name, [])
        for value in [values] if isinstance(values, str) else values:
            if not REPOSITORY_ID.fullmatch(value):
                faults.append(f'"{name}" with value "{value}" is not valid. Use an id from https://hf.co/{name}.')
    languages = data.get("language", [])
    for value in [languages] if isinstance(languages, str) else languages:
        if not isinstance(value, str) or not re.fullmatch(r"[a-z]{2,3}|code|multilingual", value):
            faults.append(
                f'"language" with value "{value}" is not valid. It must be an ISO 639-1, 639-2 or 639-3 code.'
            )
    if "license" in data and data["license"] not in LICENSES:
        faults.append(f'"license" must be one of {sorted(LICENSES)}')
    for model in data.get("model-index", []):
        if not model.get("name"):
            faults.append('"model-index[0].name" is required')
        for result in model.get("results", []):
            needed = {"task": ["type"], "dataset": ["type", "name"]}
            faults += [
                f'"model-index[0].results[0].{part}.{key}" is required'
                for part, keys in needed.items()
                for key in keys
                if not isinstance(result.get(part, {}).get(key), str)
            ]
            for metric in result.get("metrics") or [{}]:
                if not isinstance(metric.get("type"), str) or not isinstance(metric.get("value"), (int, float)):
                    faults.append('"model-index[0].results[0].metrics[0]" needs a type and a value')
    return faults


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def answer(self) -> None:
        url = urlsplit(self.path)
        self.hub.requests.append(f"{self.command} {unquote(url.path)}")
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.query = parse_qs(url.query)
        try:
            for pattern, route in ROUTES.items():
                method, path = pattern.split(" ", 1)
                match = re.fullmatch(path, unquote(url.path))
                if match and self.command in method.split("|"):
                    if route in self.hub.failing:
                        raise Refusal(500, "", "Internal Server Error")
                    return getattr(self, route)(**match.groupdict())
            raise Refusal(404, "", f"no such route: {self.command} {self.path}")
        except Refusal as refusal:
            errors = {"X-Error-Code": refusal.code, "X-Error-Message": refusal.message}
            self.send_json({"error": refusal.message}, refusal.status, {k: v for k, v in errors.items() if v})

    # --- who asks, and for what ---

    @property
    def token(self) -> str | None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given and given not in TOKENS:
            raise Refusal(401, "", "Invalid credentials in Authorization header")
        return given or None

    def repository(self, kind: str, name: str, page_only: bool = False) -> Repository:
        found = self.hub.repositories.get((kind, name))
        if found is None or (found.private and self.token != TOKEN):
            # Whoever is not logged in is not told whether it is private or not there.
            raise Refusal(404 if self.token else 401, "RepoNotFound", "Repository not found")
        if found.gated and self.token != TOKEN and not page_only:
            raise Refusal(403 if self.token else 401, "GatedRepo", f"Access to {kind[:-1]} {name} is restricted.")
        return found

    def files(self, kind: str, name: str, revision: str, page_only: bool = False) -> tuple[str, dict[str, bytes]]:
        found = self.repository(kind, name, page_only)
        files = found.files(revision)
        if files is None:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return next(found.commit(name) for name, content in found.revisions.items() if content is files), files

    def writable(self, kind: str, name: str) -> Repository:
        if self.token is None:
            raise Refusal(401, "", "Invalid username or password.")
        found = self.repository(kind, name)
        if TOKENS[self.token] != "write" or not name.startswith("someone/"):
            raise Refusal(403, "", f"you must use a write token to upload to {name}")
        return found

    # --- routes: reading ---

    def info(self, kind: str, name: str, revision: str = "main") -> None:
        commit, files = self.files(kind, name, revision, page_only=True)
        siblings = [{"rfilename": path} for path in files]
        found = self.hub.repositories[kind, name]
        facts = {"private": found.private, "gated": "auto" if found.gated else False, "tags": [], "downloads": 0}
        self.send_json({"id": name, "_id": "0", "sha": commit, "siblings": siblings, **facts})

    def may(self, kind: str, name: str, write: str | None = None) -> None:
        self.writable(kind, name) if write else self.repository(kind, name)
        self.send_json({})

    def tree(self, kind: str, name: str, revision: str, folder: str | None = None) -> None:
        folder = folder or ""
        _, files = self.files(kind, name, revision)
        below = {path: content for path, content in files.items() if not folder or path.startswith(f"{folder}/")}
        if folder and not below:
            raise Refusal(404, "EntryNotFound", f"{folder} does not exist")
        entries = {}
        for path, content in below.items():
            parents = [path[: match.start()] for match in re.finditer("/", path)]
            for parent in [parent for parent in parents if len(parent) > len(folder)]:
                entries[parent] = {"type": "directory", "path": parent, "size": 0, "oid": etag("", parent.encode())}
            entries[path] = entry(path, content)
        if self.query.get("recursive", ["false"])[0].lower() != "true":
            depth = folder.count("/") + bool(folder)
            entries = {path: value for path, value in entries.items() if path.count("/") == depth}
        self.send_json(list(entries.values()))

    def paths_info(self, kind: str, name: str, revision: str) -> None:
        _, files = self.files(kind, name, revision)
        if self.headers.get("Content-Type", "").startswith("application/json"):
            paths = json.loads(self.body)["paths"]
        else:
            paths = parse_qs(self.body.decode())["paths"]
        found = []
        for path in paths:
            if path in files:
                found.append(entry(path, files[path]))
            elif any(other.startswith(f"{path}/") for other in files):
                found.append({"type": "directory", "path": path, "size": 0, "oid": etag("", path.encode())})
        self.send_json(found)

    def resolve(self, name: str, revision: str, path: str, kind: str | None = None) -> None:
        commit, files = self.files(kind or "models", name, revision)
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if path not in files:
            headers |= {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
            return self.send_json({"error": "Entry not found"}, 404, headers)
        content = files[path]
        headers |= {"ETag": f'"{etag(path, content)}"'}
        if path.endswith(LARGE):
            headers |= {"X-Linked-Size": str(len(content)), "X-Linked-ETag": f'"{etag(path, content)}"'}
        start = int(re.match(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = max(0, len(content) // 2 - start) if path in self.hub.truncated else None
        self.send(content[start:], 206 if start else 200, headers, cut)

    # --- routes: writing ---

    def whoami(self) -> None:
        if self.token is None:
            raise Refusal(401, "", "Invalid username or password.")
        access = {"accessToken": {"role": TOKENS[self.token], "displayName": "tests"}, "type": "access_token"}
        self.send_json({"type": "user", "name": "someone", "fullname": "Someone", "orgs": [], "auth": access})

    def create(self) -> None:
        wanted = json.loads(self.body)
        if self.token is None:
            raise Refusal(401, "", "Invalid username or password.")
        name = f"{wanted.get('organization') or 'someone'}/{wanted['name']}"
        if TOKENS[self.token] != "write" or not name.startswith("someone/"):
            raise Refusal(403, "", f'You don\'t have the rights to create a model under the namespace "{name}"')
        address = {"url": f"{self.hub.endpoint}/{name}", "name": name, "id": name}
        if ("models", name) in self.hub.repositories:
            return self.send_json({"error": "You already created this model repo", **address}, 409)
        self.hub.add("models", name, {}, private=wanted.get("visibility") == "private")
        self.send_json(address)

    def validate(self) -> None:
        faults = faults_of_card(json.loads(self.body)["content"])
        self.send_json({"errors": [{"message": fault} for fault in faults], "warnings": []}, 400 if faults else 200)

    def branch(self, name: str, revision: str) -> None:
        found = self.writable("models", name)
        if revision in found.revisions:
            return self.send_json({"error": "Reference already exists"}, 409)
        found.revisions[revision] = dict(found.revisions["main"])
        self.send_json({})

    def preupload(self, kind: str, name: str, revision: str) -> None:
        self.writable(kind, name)
        modes = {True: "lfs", False: "regular"}
        wanted = [file["path"] for file in json.loads(self.body)["files"]]
        self.send_json(
            {
                "files": [
                    {"path": path, "uploadMode": modes[path.endswith(LARGE)], "shouldIgnore": False} for path in wanted
                ]
            }
        )

    def batch(self, name: str) -> None:
        self.writable("models", name)
        objects = json.loads(self.body)["objects"]
        for wanted in objects:
            wanted["actions"] = {"upload": {"href": f"{self.hub.endpoint}/large/{wanted['oid']}", "header": {}}}
        self.send_json({"transfer": "basic", "objects": objects})

    def upload(self, sha256: str) -> None:
        assert hashlib.sha256(self.body).hexdigest() == sha256
        self.hub.large_files[sha256] = self.body
        self.send(b"", 200, {})

    def commit(self, kind: str, name: str, revision: str) -> None:
        found = self.writable(kind, name)
        lines = [json.loads(line) for line in self.body.splitlines()]
        _, files = self.files(kind, name, revision)
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header":
                    self.hub.commits.append(value["summary"])
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.large_files[value["oid"]]
        commit = found.commit(revision)
        self.send_json({"commitUrl": f"{self.hub.endpoint}/{name}/commit/{commit}", "commitOid": commit})

    # --- answers ---

    def send_json(self, content, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send(json.dumps(content).encode(), status, {"Content-Type": "application/json", **(headers or {})})

    def send(self, content: bytes, status: int, headers: dict[str, str], cut: int | None = None) -> None:
        """With `cut` the connection is closed after so many bytes."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:cut])
        self.close_connection = self.close_connection or cut is not None


NAMED = r"(?P<name>[\w.-]+/[\w.-]+)"
OF_REPOSITORY = rf"/api/(?P<kind>models|datasets)/{NAMED}"
ROUTES = {
    rf"GET {OF_REPOSITORY}": "info",
    rf"GET {OF_REPOSITORY}/revision/(?P<revision>.+)": "info",
    rf"GET {OF_REPOSITORY}/auth-check(?P<write>/write)?": "may",
    rf"GET {OF_REPOSITORY}/tree/(?P<revision>[^/]+)(/(?P<folder>.+))?": "tree",
    rf"POST {OF_REPOSITORY}/paths-info/(?P<revision>.+)": "paths_info",
    rf"GET|HEAD (/(?P<kind>datasets))?/{NAMED}/resolve/(?P<revision>[^/]+)/(?P<path>.+)": "resolve",
    r"GET /api/whoami-v2": "whoami",
    r"POST /api/repos/create": "create",
    r"POST /api/validate-yaml": "validate",
    rf"POST /api/models/{NAMED}/branch/(?P<revision>.+)": "branch",
    rf"POST {OF_REPOSITORY}/preupload/(?P<revision>.+)": "preupload",
    rf"POST /{NAMED}.git/info/lfs/objects/batch": "batch",
    r"PUT /large/(?P<sha256>[0-9a-f]{64})": "upload",
    rf"POST {OF_REPOSITORY}/commit/(?P<revision>.+)": "commit",
}
