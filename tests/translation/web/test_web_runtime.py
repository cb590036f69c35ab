"""onnxruntime-web is fetched once, from npm or another registry, and only as it was published."""

import base64
import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imtrans.api.errors import ImtransError
from imtrans.translation.export.web import runtime
from imtrans.translation.export.web.runtime import runtime_files

FILES = {"ort.mjs": b"export {};" * 50, "ort.wasm": b"\0asm" + bytes(range(256)) * 40}


def packed(files):
    """An archive as npm packs one, with what does not belong into it."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        odd = {"package/dist/other.mjs": b"other", "../outside.mjs": b"outside", "ort.mjs": b"no"}
        for name, content in (odd | {f"package/dist/{n}": c for n, c in files.items()}).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("package/dist/link.mjs")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return held.getvalue()


CHANGED = packed(FILES | {"ort.mjs": b"changed"})


class Registry(ThreadingHTTPServer):
    """Answers with `content`, or with a status alone."""

    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Answering)
        self.content, self.status, self.length, self.asked = content, 200, len(content), []


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(self.path)
        self.send_response(server.status)
        self.send_header("Content-Length", str(server.length))
        self.end_headers()
        self.wfile.write(server.content)

    def log_message(self, *_):
        pass


@pytest.fixture
def registry(monkeypatch):
    archive = packed(FILES)
    server = Registry(archive)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    for name, value in {"INTEGRITY": digest, "BYTES": len(archive), "FILES": sums}.items():
        monkeypatch.setattr(runtime, name, value)
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_port}/")
    yield server
    server.shutdown()
    server.server_close()


def kept(tmp_path):
    return tmp_path / "caches" / f"onnxruntime-web-{runtime.VERSION}"


def test_it_is_fetched_once_and_nothing_but_the_wanted_files_is_kept(registry, tmp_path):
    said = []
    assert runtime_files(say=said.append) == FILES
    assert registry.asked == ["/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz"]
    assert len(said) == 1
    assert said[0].startswith("fetching http://127.0.0.1:")
    assert {path.name: path.read_bytes() for path in kept(tmp_path).iterdir()} == FILES
    assert runtime_files(say=said.append) == FILES
    assert (len(registry.asked), len(said)) == (1, 1)
    (kept(tmp_path) / "ort.wasm").write_bytes(b"damaged")
    assert runtime_files() == FILES
    assert len(registry.asked) == 2
    assert not (tmp_path / "outside.mjs").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"content": CHANGED, "length": len(CHANGED)}, "is another file: its sha512 is"),
        ({"content": b"<html>", "length": 6}, "is another file: its sha512 is"),
        ({"content": bytes(10**6), "length": 10**6}, "is another file: its sha512 is"),
        ({"content": b"a page of a proxy"}, "cannot be fetched: "),
        ({"status": 404}, "answered 404 Not Found"),
        ({"status": 503}, "cannot be fetched: answered 503"),
    ],
)
def test_another_file_or_none_is_one_line_that_names_the_other_ways(
    registry, tmp_path, change, reason
):
    for name, value in change.items():
        setattr(registry, name, value)
    with pytest.raises(ImtransError) as told:
        runtime_files()
    line = str(told.value)
    assert reason in line
    assert "--runtime node_modules/onnxruntime-web" in line
    assert "\n" not in line
    assert not kept(tmp_path).exists()


def test_without_a_network_one_line_says_so_and_shows_no_password(registry, monkeypatch):
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://someone:secret@127.0.0.1:9/")
    with pytest.raises(ImtransError, match=r"127\.0\.0\.1:9/onnxruntime-web/.*cannot be") as told:
        runtime_files()
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("place", ["", "dist", "node_modules/onnxruntime-web/dist"])
def test_a_folder_that_has_it_is_enough(registry, tmp_path, place):
    folder = tmp_path / "here" / place
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    assert runtime_files(tmp_path / "here") == FILES
    (folder / "ort.mjs").write_bytes(b"of another version")
    with pytest.raises(ImtransError, match=r"not onnxruntime-web 1\.30\.0, for which"):
        runtime_files(tmp_path / "here")
    (folder / "ort.wasm").unlink()
    with pytest.raises(ImtransError, match=r"has no 'ort\.mjs' and 'ort\.wasm'"):
        runtime_files(tmp_path / "here")
    assert registry.asked == []
