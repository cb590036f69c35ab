"""A server on this machine that sends parts of files, and misbehaves as it is told."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class RangeServer(ThreadingHTTPServer):
    """Serves `files` by their paths. Each of the next answers takes a fault from `faults`: a
    status, or one of the words in `RangeHandler.do_GET`; None for an answer without any."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), RangeHandler)
        self.files, self.etag = {}, '"1"'
        self.faults = []
        self.always = None  # the fault of all answers, once `faults` are used up
        self.asked = []  # (path, Range) of every request

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass  # a client that went away is no error here


class RangeHandler(BaseHTTPRequestHandler):
    server: RangeServer

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        server, wanted = self.server, self.headers["Range"]
        server.asked.append((self.path, wanted))
        fault = server.faults.pop(0) if server.faults else server.always
        content = server.files.get(self.path)
        if isinstance(fault, int) or content is None:
            self.send_response(fault or 404)
            self.end_headers()
            return
        if fault == "slow":
            time.sleep(2)
        start, end = map(int, wanted.removeprefix("bytes=").split("-"))
        end = min(end + 1, len(content))
        if fault == "all of it":
            self.send_response(200)
            start, end = 0, len(content)
        else:
            self.send_response(206)
            shift = 7 if fault == "another part" else 0
            size = len(content) + (1 if fault == "another length" else 0)
            self.send_header("Content-Range", f"bytes {start + shift}-{end - 1 + shift}/{size}")
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", '"2"' if fault == "another version" else server.etag)
        self.end_headers()
        self.wfile.write(content[start : end - 1 if fault == "cut off" else end])


def serving_ranges():
    """A server that runs already; `shutdown()` ends it."""
    server = RangeServer()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server
