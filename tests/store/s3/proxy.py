"""A proxy before an S3 server that breaks some of the requests, as networks and busy servers do.

A function decides what happens to each request; the proxy counts what it did.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Literal

Fault = Literal[
    "cut before", "cut request", "lost answer", "cut answer", "slow", "503", "500", "expired", "silent", "unconditional"
]  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A request, as a plan sees it; `number` counts from 0 over all of them."""

    number: int
    method: str
    path: str
    conditional: bool


Plan = Callable[[Asked], Fault | str | None]


class FaultProxy(ThreadingHTTPServer):
    """Forwards to a port on loopback.

    Attributes
    ----------
    plan : callable
        Gives for each request a fault, None to pass it through, or ``"403 SomeCode"`` to answer with that error.
    done : Counter
        How often each fault was done.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.plan: Plan = lambda asked: None
        self.done: Counter[str] = Counter()
        self.asked: list[Asked] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that break: that is what they are for."""


@contextlib.contextmanager
def fault_proxy(upstream: int) -> Iterator[FaultProxy]:
    """A proxy that runs in threads of this process."""
    proxy = FaultProxy(upstream)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.closing.set()
        proxy.shutdown()
        proxy.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: FaultProxy
    methods: ClassVar = ("GET", "HEAD", "PUT", "POST", "DELETE")

    def log_message(self, *args: object) -> None:
        """Stay silent."""

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.forward
        raise AttributeError(name)

    def forward(self) -> None:
        """Do what the plan says."""
        server = self.server
        with server.lock:
            asked = Asked(len(server.asked), self.command, self.path, "If-None-Match" in self.headers)
            server.asked.append(asked)
            fault = server.plan(asked)
            server.done[fault or "passed"] += 1
        length = int(self.headers.get("Content-Length", 0))
        if fault == "cut before":
            return self.cut()
        if fault == "cut request":
            self.rfile.read(length // 2)
            return self.cut()
        body = self.rfile.read(length)
        if fault == "silent":
            server.closing.wait(60)
            return self.cut()
        if fault == "slow":
            server.closing.wait(0.05)
        if fault in ("503", "500", "expired") or (fault and fault[0].isdigit()):
            known = {"503": "503 SlowDown", "500": "500 InternalError", "expired": "400 ExpiredToken"}
            return self.refuse(*known.get(fault, fault).split(" ", 1))
        if fault == "unconditional":
            del self.headers["If-None-Match"]
        status, headers, content = self.ask(body)
        if fault == "lost answer":
            return self.cut()
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        if self.command == "HEAD":
            self.send_header("Content-Length", dict(headers).get("Content-Length", "0"))
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault == "cut answer":
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            return self.cut()
        self.wfile.write(content)
        return None

    def ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Have the server answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=30)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def refuse(self, status: str, code: str) -> None:
        """Answer with an error of S3, in which the server repeats the key as AWS does."""
        key = self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        text = (
            f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>As the test says</Message>"
            f"<AWSAccessKeyId>{key}</AWSAccessKeyId><RequestId>1</RequestId></Error>"
        ).encode()
        self.send_response_only(int(status))
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def cut(self) -> None:
        """Break the connection."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
