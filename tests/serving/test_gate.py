"""What gets through the gate of a server, and what is refused in one line. Without gradio."""

import asyncio
import base64
import errno
import json

import pytest

from imtrans.serving import access as passwords
from imtrans.serving import gate as module
from imtrans.serving.access import Access
from imtrans.serving.gate import Gate
from imtrans.serving.limits import Limits
from imtrans.serving.storage import Storage

CREDENTIALS = "ada:love: lace"
UPLOADED = {"meta": {"_type": "gradio.FileData"}}


async def echo(scope, receive, send):
    """An application that answers what it received."""
    body = (await receive()).get("body", b"")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"reached:" + body})


@pytest.fixture
def storage(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "here.png").write_bytes(b"png")
    return Storage(folder, 10**6)


@pytest.fixture
def ask(storage):
    """Asks a gate; returns the status, the body and the headers."""

    def call(method, path, body=b"", *, limits=None, local=True, auth=None, **headers):
        gate = Gate(echo, Access(auth), limits or Limits(), storage, is_local=local)
        return asyncio.run(asked(gate, method, path, body, headers))

    return call


async def asked(gate, method, path, body, headers):
    sent = []
    given = {"host": "127.0.0.1:7860", "content-length": str(len(body)), **headers}
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": lines}

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    await gate(scope, receive, send)
    return sent[0]["status"], sent[1]["body"].decode(), dict(sent[0]["headers"])


def call_of(*data):
    return json.dumps({"data": data}).encode()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/config"),
        ("GET", "/assets/index.js"),
        ("GET", "/board/board.js"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/queue/data"),
        ("GET", "/gradio_api/call/translate/1a2b"),
        ("POST", "/gradio_api/call/translate"),
        ("POST", "/gradio_api/call/v2/translate"),
        ("POST", "/gradio_api/call/runs"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/upload"),
    ],
)
def test_what_the_page_and_programs_need_is_reached(ask, method, path):
    assert ask(method, path, b"{}")[:2] in [(200, "reached:{}")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/proxy=http://example.com/"),
        ("GET", "/gradio_api/file/etc/passwd"),
        ("POST", "/gradio_api/run/translate"),  # which would not wait in the queue
        ("POST", "/gradio_api/api/translate"),
        ("POST", "/gradio_api/call/draw"),  # the page's, which waits in its queue
        ("GET", "/gradio_api/call/draw/1a2b"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/vibe-edit/"),
        ("GET", "/gradio_api/vibe-code"),
        ("GET", "/monitoring/summary"),
        ("GET", "/gradio_api/deep_link"),
        ("GET", "/gradio_api/runs"),
        ("POST", "/login"),
        ("GET", "/docs"),
        ("DELETE", "/"),
        ("PUT", "/gradio_api/upload"),
        ("GET", "/gradio_api/call/translate/../../x/y"),
    ],
)
def test_everything_else_of_gradio_is_not_found(ask, method, path):
    status, body, _ = ask(method, path)
    assert (status, json.loads(body)) == (404, {"detail": "not found"})


def test_files_of_its_own_folder_are_read_and_no_others(ask, storage, tmp_path):
    (tmp_path / "secret").write_text("x")
    (storage.folder / "link").symlink_to(tmp_path / "secret")
    assert ask("GET", f"/gradio_api/file={storage.folder}/here.png")[0] == 200
    for path in (
        "/etc/passwd",
        f"{storage.folder}/../secret",
        f"{storage.folder}/link",
        f"{storage.folder}",
        f"{storage.folder}/.lock",
        "http://127.0.0.1:1/x",
        "here.png",
        "\0",
        "x" * 10_000,
    ):
        assert ask("GET", f"/gradio_api/file={path}")[:2] == (404, '{"detail": "no such file"}')


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ({"path": "/etc/passwd"}, "not a file that was uploaded here"),
        ({"path": ["/etc/passwd"]}, "not a file that was uploaded here"),
        ({"path": "http://example.com/x.png"}, "the server fetches no addresses"),
        ({"path": "HTTPS://example.com/x.png"}, "the server fetches no addresses"),
        ({"path": "file:///etc/passwd"}, "the server fetches no addresses"),
        ({"url": "http://example.com/x.png"}, "the server fetches no addresses"),
        ({"path": "here.png", "is_stream": True}, "not a file that was uploaded here"),
    ],
)
@pytest.mark.parametrize("path", ["queue/join", "call/translate", "call/v2/translate"])
def test_a_call_brings_no_path_and_no_address(ask, path, file, line):
    for body in (call_of(file | UPLOADED), call_of([{"deep": [file]}]), call_of(*[1, file])):
        status, answer, _ = ask("POST", f"/gradio_api/{path}", body)
        (detail,) = json.loads(answer)["detail"]
        assert status == 422
        assert detail["message"].startswith(line)
        assert detail["__type__"] == "validate"  # which makes gradio_client show it


def test_a_call_with_an_upload_reaches_the_application_as_it_was_sent(ask, storage):
    body = call_of({"path": str(storage.folder / "here.png"), "url": "http://x/"} | UPLOADED)
    assert ask("POST", "/gradio_api/call/translate", body)[1] == f"reached:{body.decode()}"


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff", b"[" * 10_000, b"[]"])
def test_what_is_no_call_is_refused(ask, body):
    status, answer, _ = ask("POST", "/gradio_api/call/translate", body)
    assert status == 422
    assert "JSON" in json.loads(answer)["detail"][0]["message"]


def test_what_would_fill_memory_once_it_is_read_is_refused(ask):
    body = b'{"data": [' + b"[]," * 30_000 + b"1]}"
    status, answer, _ = ask("POST", "/gradio_api/call/translate", body)
    assert (status, "more values than any call has" in answer) == (422, True)


def test_an_upload_in_chunks_has_no_length(ask):
    status, body, _ = ask("POST", "/gradio_api/upload", b"x" * 99, transfer_encoding="chunked")
    assert (status, "Content-Length" in body) == (411, True)


def test_requests_and_uploads_are_bounded_before_they_are_read(ask, storage):
    small = Limits(file_bytes=1000)
    large = b"x" * (small.request_bytes + 1)
    for headers in ({}, {"content-length": "7"}):  # also where the length is a lie
        status, body, _ = ask("POST", "/gradio_api/queue/join", large, limits=small, **headers)
        assert (status, "at most" in body) == (413, True)
    length = str(small.upload_bytes + 1)
    status, body, _ = ask("POST", "/gradio_api/upload", limits=small, content_length=length)
    assert (status, "send less at once" in body) == (413, True)
    for length in ("", "-1", "1e3", "9" * 30):
        assert ask("POST", "/gradio_api/upload", content_length=length)[0] == 411
    storage.most = 500
    status, body, _ = ask("POST", "/gradio_api/upload", content_length="600")
    assert (status, "no room" in body) == (503, True)


def test_pages_of_other_sites_are_refused(ask):
    assert ask("GET", "/", origin="http://127.0.0.1:7860")[0] == 200
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},  # of another server of this machine
        {"origin": "http://127.0.0.1"},
        {"origin": "http://127.0.0.1:7860.evil.example"},
        {"host": "evil.example"},  # a name that was made to lead here
        {"host": "127.0.0.1.evil.example"},
        {"host": ""},
    ):
        assert ask("GET", "/", **headers)[0] == 403
    assert ask("GET", "/", local=False, host="lab.example")[0] == 200
    proxied = {"host": "lab.example", "origin": "https://lab.example:8443"}
    assert ask("GET", "/", local=False, **proxied)[0] == 200
    assert ask("GET", "/", auth=CREDENTIALS, host="lab.example")[0] == 401


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_a_password_is_asked_for_before_anything_else(ask, monkeypatch):
    monkeypatch.setattr(passwords, "PAUSE", 0)
    for wrong in (None, "Basic", "Basic !", basic("ada:"), basic("ada:love"), "Bearer x"):
        headers = {"authorization": wrong} if wrong else {}
        for path in ("/", "/assets/x.js", "/gradio_api/info", "/nowhere"):
            status, body, answered = ask("GET", path, auth=CREDENTIALS, **headers)
            assert (status, body) == (401, '{"detail": "a name and a password are needed"}')
            assert answered[b"www-authenticate"].startswith(b"Basic")
    assert ask("GET", "/", auth=CREDENTIALS, authorization=basic(CREDENTIALS))[0] == 200


def test_who_logs_in_gets_a_cookie_for_this_server_alone(storage, monkeypatch):
    monkeypatch.setattr(passwords, "PAUSE", 0)

    async def all_of_it():
        access = Access(CREDENTIALS)
        gate = Gate(echo, access, Limits(), storage, is_local=True)
        wrong = await asked(gate, "POST", "/login", b"username=ada&password=x", {})
        right = await asked(gate, "POST", "/login", b"username=ada&password=love%3A+lace", {})
        cookie = right[2][b"set-cookie"].decode().partition(";")[0]
        inside = await asked(gate, "GET", "/", b"", {"cookie": cookie})
        forged = await asked(gate, "GET", "/", b"", {"cookie": cookie[:-2]})
        other = Gate(echo, Access(CREDENTIALS), Limits(), storage, is_local=True)
        elsewhere = await asked(other, "GET", "/", b"", {"cookie": cookie})
        return [each[0] for each in (wrong, right, inside, forged, elsewhere)]

    assert asyncio.run(all_of_it()) == [401, 200, 200, 401, 401]


def test_a_wrong_password_takes_its_time(monkeypatch):
    monkeypatch.setattr(passwords, "PAUSE", 0.05)

    async def guess():
        access = Access(CREDENTIALS)
        start = asyncio.get_running_loop().time()
        await asyncio.gather(*(access.admits({"authorization": basic(f"a:{n}")}) for n in range(4)))
        return asyncio.get_running_loop().time() - start

    assert asyncio.run(guess()) > 0.19  # one after the other


def test_every_answer_forbids_the_browser_to_ask_other_hosts(ask):
    for path in ("/", "/nowhere"):
        headers = ask("GET", path)[2]
        policy = headers[b"content-security-policy"].decode()
        assert "default-src 'self'" in policy
        assert "http" not in policy
        assert headers[b"x-content-type-options"] == b"nosniff"


def failing(error, *, answers=False):
    """An application that fails, as it is or as starlette lets it."""

    async def broken(scope, receive, send):
        if answers:
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b"Internal Server Error"})
        raise error

    return broken


@pytest.mark.parametrize("answers", [False, True])
def test_what_fails_within_is_one_line_for_the_client(storage, caplog, answers):
    app = failing(RuntimeError("/secret/path"), answers=answers)
    gate = Gate(app, Access(None), Limits(), storage, is_local=True)
    status, body, _ = asyncio.run(asked(gate, "GET", "/", b"", {}))
    assert (status, json.loads(body)) == (500, {"detail": module.FAULT})
    assert "/secret/path" in caplog.text  # for who serves


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (TypeError("no file"), 400, module.NO_UPLOAD),
        (OSError(errno.ENOSPC, "no space left"), 503, module.NO_DISK),
    ],
)
def test_a_bad_upload_is_one_line_and_no_fault(storage, caplog, error, status, line):
    gate = Gate(failing(error, answers=True), Access(None), Limits(), storage, is_local=True)
    answer = asyncio.run(asked(gate, "POST", "/gradio_api/upload", b"x", {}))
    assert (answer[0], json.loads(answer[1])) == (status, {"detail": line})
    assert caplog.text == ""


def upload_that(receives, storage):
    """What a gate answers to an upload whose body comes as `receives` says."""
    sent = []

    async def reads(scope, receive, send):
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            raise RuntimeError("starlette's ClientDisconnect")

    async def send(message):
        sent.append(message)

    lines = [(b"host", b"localhost"), (b"content-length", b"50")]
    path = "/gradio_api/upload"
    scope = {"type": "http", "method": "POST", "path": path, "headers": lines}
    gate = Gate(reads, Access(None), Limits(), storage, is_local=True)
    asyncio.run(gate(scope, receives, send))
    return sent


def test_an_upload_that_stops_coming_is_refused_and_its_room_is_free(storage, monkeypatch):
    monkeypatch.setattr(module, "STALL", 0.01)
    storage.most = 60
    for _ in range(2):
        sent = upload_that(lambda: asyncio.sleep(60), storage)
        assert sent[0]["status"] == 408
        assert b"not sent to its end" in sent[1]["body"]


def test_a_client_that_goes_is_no_failure(storage, caplog):
    messages = [{"type": "http.disconnect"}, {"type": "http.request", "more_body": True}]

    async def receive():
        return messages.pop()

    assert upload_that(receive, storage) == []
    assert caplog.text == ""


def test_files_are_sent_whole(storage):
    seen = []

    async def app(scope, receive, send):
        seen.extend(scope["headers"])
        await echo(scope, receive, send)

    gate = Gate(app, Access(None), Limits(), storage, is_local=True)
    path = f"/gradio_api/file={storage.folder}/here.png"
    assert asyncio.run(asked(gate, "GET", path, b"", {"range": "bytes=0-1,2-3"}))[0] == 200
    assert b"range" not in dict(seen)
