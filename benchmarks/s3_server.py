"""A loopback S3 server that does no work, so that what is timed is the client alone.

Run as ``python -m benchmarks.s3_server FOLDER``; prints its port. A GET or HEAD of a path whose last part is a file in
FOLDER is answered from that file by ``sendfile``, with ranges; the body of a PUT is read and thrown away. Two processes
share the port, each with a thread a connection. It ends with its standard input.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import threading
from email.utils import formatdate
from pathlib import Path

__all__ = ["serve"]

_SINK = 1 << 20
_RANGE = re.compile(rb"range:\s*bytes=(\d*)-(\d*)", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_ETAG = b'ETag: "0123456789abcdef0123456789abcdef"\r\n'
_UPLOAD = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
_COMPLETE = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"


def serve(folder: Path) -> None:
    """Answer until standard input ends."""
    first = _listener(0)
    port = first.getsockname()[1]
    child = os.fork()
    listener = _listener(port) if child == 0 else first
    if child == 0:
        first.close()
    else:
        print(port, flush=True)
    threading.Thread(target=_accept, args=(listener, folder), daemon=True).start()
    sys.stdin.buffer.read()
    os._exit(0)


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    return listener


def _accept(listener: socket.socket, folder: Path) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_talk, args=(connection, folder), daemon=True).start()


def _talk(connection: socket.socket, folder: Path) -> None:
    """Answer the requests of one connection."""
    sink = bytearray(_SINK)
    files: dict[bytes, int] = {}
    rest = b""
    with contextlib.suppress(OSError), connection:
        while True:
            while (end := rest.find(b"\r\n\r\n")) < 0:
                if not (more := connection.recv(65536)):
                    return
                rest += more
            head, rest = rest[:end], rest[end + 4 :]
            method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
            found = _LENGTH.search(head)
            left = int(found[1]) if found else 0
            if b"100-continue" in head:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            taken = min(left, len(rest))
            rest = rest[taken:]
            left -= taken
            while left:
                left -= (count := connection.recv_into(sink, min(left, _SINK)))
                if not count:
                    return
            _answer(connection, method, target, head, folder, files)


def _answer(
    connection: socket.socket, method: bytes, target: bytes, head: bytes, folder: Path, files: dict[bytes, int]
) -> None:
    path, _, query = target.partition(b"?")
    if method in (b"GET", b"HEAD"):
        name = path.rsplit(b"/", 1)[-1]
        file = files.get(name)
        if file is None:
            try:
                file = files[name] = os.open(os.fsencode(folder) + b"/" + name, os.O_RDONLY)
            except OSError:
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                return
        size = os.fstat(file).st_size
        start, stop, status, extra = 0, size, b"200 OK", b""
        if found := _RANGE.search(head):
            start = int(found[1]) if found[1] else max(0, size - int(found[2]))
            stop = min(size, int(found[2]) + 1) if found[1] and found[2] else size
            status = b"206 Partial Content"
            extra = b"Content-Range: bytes %d-%d/%d\r\n" % (start, stop - 1, size)
        modified = formatdate(usegmt=True).encode()
        connection.sendall(
            b"HTTP/1.1 %s\r\n%s%sAccept-Ranges: bytes\r\nLast-Modified: %s\r\nContent-Length: %d\r\n\r\n"
            % (status, _ETAG, extra, modified, stop - start),
            socket.MSG_MORE if method == b"GET" else 0,
        )
        while method == b"GET" and start < stop:
            start += os.sendfile(connection.fileno(), file, start, stop - start)
        return
    body = b""
    if method == b"POST":
        body = _UPLOAD if query.startswith(b"uploads") else _COMPLETE
    connection.sendall(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (_ETAG, len(body), body))


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
