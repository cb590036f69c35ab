"""Ask a server for a file, or for the rest of it.

What goes wrong is sorted into what may pass by itself (`Cut`) and what a person has to mend
(`ImtransError`).
"""

import ssl
from contextlib import suppress
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    InvalidURL,
)
from socket import SHUT_RDWR
from threading import Timer
from urllib import request
from urllib.error import HTTPError, URLError

import imtrans
from imtrans.api.errors import ImtransError
from imtrans.host.words import plain

ADVICE = "is this the right address? --mirror URL names another one"
TIMEOUT = 30.0  # s without a byte, after which a connection counts as cut
HEADERS = 60.0  # s in which the headers of an answer have to come
PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers of a server that is busy or restarting


class Cut(Exception):
    """The connection failed, or ended early. `reached`: the server had been found before."""

    def __init__(self, said: str, reached: bool = True) -> None:
        super().__init__(said)
        self.reached = reached


def ask(address: str, headers: dict[str, str], *, advice: str = ADVICE) -> HTTPResponse:
    """The answer to a GET: 200, 206 or 416. Raises Cut, or ImtransError for any other answer, with
    advice.

    Proxies are taken from the environment (http_proxy, https_proxy, no_proxy).
    """
    headers = {
        "User-Agent": f"imtrans/{imtrans.__version__}",
        "Accept-Encoding": "identity",  # packed once more, sizes and ranges would mean nothing
        **headers,
    }
    try:
        asked = request.Request(address, headers=headers)
        answer: HTTPResponse = _opener().open(asked, timeout=TIMEOUT)
    except HTTPError as error:
        return _refusal(address, error, advice)
    except URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise ImtransError(
                f"{address}: its certificate cannot be trusted: {error.reason.verify_message}"
            ) from error
        raise Cut(_said(error.reason), reached=False) from error
    except (InvalidURL, ValueError) as error:
        raise ImtransError(f"'{address}' cannot be asked for: {_said(error)}") from error
    except (HTTPException, OSError) as error:
        raise Cut(_said(error)) from error
    if answer.status not in (200, 206):
        answer.close()
        raise ImtransError(f"{address}: answered {answer.status} {plain(answer.reason)}, no file")
    return answer


def read(answer: HTTPResponse, count: int) -> bytes:
    """The next bytes, as many as are here, and at most `count`; none at the end, which may come
    early. Raises Cut."""
    try:
        return answer.read1(count)  # read() would wait for all of them, be it for hours
    except (HTTPException, OSError, ValueError) as error:
        raise Cut(_said(error)) from error


class PromptConnection(HTTPConnection):
    """Ends when its answer has not begun in time: byte by byte, its headers could take for ever."""

    _left = False

    def getresponse(self) -> HTTPResponse:
        timer = Timer(HEADERS, self._leave)
        timer.daemon = True
        timer.start()
        try:
            answer = super().getresponse()
        finally:
            timer.cancel()
        if self._left:  # what had come until then passes for all headers
            raise TimeoutError
        return answer

    def _leave(self) -> None:
        self._left = True
        with suppress(OSError, AttributeError):  # it may just have ended
            self.sock.shutdown(SHUT_RDWR)


class PromptTLSConnection(PromptConnection, HTTPSConnection):
    pass


class Prompt(request.HTTPHandler):
    def http_open(self, req: request.Request) -> HTTPResponse:
        return self.do_open(PromptConnection, req)


class PromptTLS(request.HTTPSHandler):
    def https_open(self, req: request.Request) -> HTTPResponse:
        return self.do_open(PromptTLSConnection, req)  # with Python's own context, which verifies


def _opener() -> request.OpenerDirector:
    """What urllib would open an address with, but for files and FTP: no redirect leads there."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        Prompt(),
        PromptTLS(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPErrorProcessor(),
        request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _refusal(address: str, error: HTTPError, advice: str) -> HTTPResponse:
    """No success, unless it says (416) that there is nothing behind what we have."""
    if error.code == 416:
        return error  # type: ignore[return-value]  # it has what is used of one
    error.close()
    answered = f"answered {error.code} {plain(str(error.reason).split(chr(10))[0])}"
    if error.code in PASSING:
        raise Cut(answered) from error
    raise ImtransError(f"{address}: {answered}. {advice}") from error


def _said(error: object) -> str:
    """What a fault of the network says of itself."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return plain(text).lower()
