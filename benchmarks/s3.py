"""S3: what our client costs beside plain boto3 and `metaflow.S3`, against a server on loopback that does no work.

Each client is a process of its own that is measured for one thing: seconds and CPU seconds, its children's too. Memory
is filled once before, since on a virtual machine the first touch of a page can cost more than all else. Ours also
hashes what it reads, which the peers do not. A large object goes down twice: into the cache, as for every user who has
not switched it off, beside what the peers write to a file; and into memory, without a cache. `metaflow.S3` has only the
file. The limit is a socket without any client: one connection, one request after the other, nothing hashed. Rows:
throughput, then the processor's time.

The server is not the limit: it needs 0.05 to 0.2 s of a processor for a gigabyte, the clients 0.7 s and more.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.table import Figure, Row

__all__ = ["measure", "ours"]

# `FLOWNB_BENCH_S3_MB` and `FLOWNB_BENCH_S3_OBJECTS` make it smaller, to see that it works.
LARGE = int(os.environ.get("FLOWNB_BENCH_S3_MB", "1000")) * 1_000_000
OBJECTS = int(os.environ.get("FLOWNB_BENCH_S3_OBJECTS", "1000"))
SMALL = 100_000
ROUNDS = 3
CLIENTS = ("ours", "boto3", "metaflow")
LIMIT = "socket"
# GB/s, and objects a second.
GOALS = {"large up": 1.0, "large cached": 1.25, "large down": 1.25, "small up": 4000.0, "small down": 4000.0}

_CLIENT = """
import json, mmap, os, resource, sys, time
client, task, folder, large, keys = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4]), sys.argv[5]
size, key = large
smalls = open(keys).read().split()
paths = [os.path.join(folder, name) for name in smalls]
body = open(os.path.join(folder, key), "rb").read() if task == "large up" else b""
bodies = [open(path, "rb").read() for path in paths] if task == "small up" else []

def warm():
    memory = mmap.mmap(-1, size + size // 2 if task.startswith("large") else 2 * sum(map(os.path.getsize, paths)))
    block = bytes(1 << 20)
    for start in range(0, len(memory) - len(block), len(block)):
        memory[start : start + len(block)] = block
    memory.close()

if client == "ours":
    from flownb.store.s3.cache import BlobCache
    from flownb.store.s3 import open_s3
    from pathlib import Path
    limit = 2 * size if task == "large cached" else 0
    storage, blobs = open_s3("s3://bench/ours", cache=BlobCache(Path("copies"), limit))
    storage.exists("warm"), storage.read("warm"), storage.write("warm", bytes(1 << 17))
    def large_up():
        blobs._damaged.add(key)  # the server answers that everything is there
        blobs.put([body], key, size)
        blobs.settle()
    def large_down():
        assert len(blobs.get(key, size)) == size
    def large_cached():
        large_down()
        assert blobs.cache.holds(key, size)
    def small_up():
        for name, content in zip(smalls, bodies):
            blobs.put([content], name, len(content))
        blobs.settle()
    def small_down():
        blobs.bucket.map(lambda name: blobs._get_small(name, 100_000), smalls)
elif client == "boto3":
    import boto3
    from boto3.s3.transfer import TransferConfig
    from concurrent.futures import ThreadPoolExecutor
    import io
    from botocore.config import Config
    s3 = boto3.client("s3", config=Config(max_pool_connections=32))
    config = TransferConfig(max_concurrency=8, multipart_chunksize=8 << 20)
    s3.head_object(Bucket="bench", Key=key)
    class Into(io.RawIOBase):
        def __init__(self): self.view, self.at = memoryview(mmap.mmap(-1, size)), 0
        def seekable(self): return True
        def writable(self): return True
        def seek(self, at, whence=0): self.at = at; return at
        def tell(self): return self.at
        def write(self, data):
            self.view[self.at : self.at + len(data)] = data
            self.at += len(data)
            return len(data)
    def large_up():
        s3.upload_fileobj(io.BytesIO(body), "bench", "boto3/" + key, Config=config)
    def large_down():
        s3.download_fileobj("bench", key, Into(), Config=config)
    def large_cached():
        s3.download_file("bench", key, "copy", Config=config)
    def all_of(call, items):
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(call, items))
    def small_up():
        all_of(lambda item: s3.put_object(Bucket="bench", Key="boto3/" + item[0], Body=item[1]), zip(smalls, bodies))
    def small_down():
        all_of(lambda name: s3.get_object(Bucket="bench", Key=name)["Body"].read(), smalls)
elif client == "socket":
    import socket
    def connected():
        address = os.environ["AWS_ENDPOINT_URL_S3"].rpartition(":")[2]
        return socket.create_connection(("127.0.0.1", int(address)))
    def put(connection, name, content):
        head = f"PUT /bench/socket/{name} HTTP/1.1\\r\\nContent-Length: {len(content)}\\r\\n\\r\\n".encode()
        connection.sendall(head + content if len(content) < 1 << 20 else head)
        if len(content) >= 1 << 20:
            connection.sendall(content)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
    def get(connection, name, into):
        connection.sendall(f"GET /bench/{name} HTTP/1.1\\r\\n\\r\\n".encode())
        answer = connection.recv(1 << 16)
        while b"\\r\\n\\r\\n" not in answer:
            answer += connection.recv(1 << 16)
        at = len(answer) - answer.index(b"\\r\\n\\r\\n") - 4
        into[:at] = answer[len(answer) - at :]
        while at < len(into):
            at += connection.recv_into(into[at:])
    def large_up():
        put(connected(), key, body)
    def large_down():
        get(connected(), key, memoryview(mmap.mmap(-1, size)))
    def large_cached():
        block = memoryview(bytearray(1 << 20))
        connection = connected()
        connection.sendall(f"GET /bench/{key} HTTP/1.1\\r\\n\\r\\n".encode())
        answer = connection.recv(1 << 16)
        while b"\\r\\n\\r\\n" not in answer:
            answer += connection.recv(1 << 16)
        with open("copy", "wb", 0) as file:
            at = file.write(answer.partition(b"\\r\\n\\r\\n")[2])
            while at < size:
                at += file.write(block[: connection.recv_into(block)])
    def small_up():
        connection = connected()
        for name, content in zip(smalls, bodies):
            put(connection, name, content)
    def small_down():
        connection, into = connected(), memoryview(bytearray(os.path.getsize(os.path.join(folder, smalls[0]))))
        for name in smalls:
            get(connection, name, into)
else:
    from metaflow import S3
    s3 = S3(s3root="s3://bench/metaflow")
    def large_up():
        s3.put(key, body, overwrite=True)
    def large_down():
        assert s3.get(key).size == size
    large_cached = large_down
    def small_up():
        s3.put_many(zip(smalls, bodies), overwrite=True)
    def small_down():
        assert len(s3.get_many(smalls)) == len(smalls)

def spent():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)

work = {
    "large up": large_up, "large cached": large_cached, "large down": large_down,
    "small up": small_up, "small down": small_down,
}[task]
warm()
cpu, start = spent(), time.perf_counter()
work()
print(json.dumps([time.perf_counter() - start, spent() - cpu]), flush=True)
os._exit(0)
"""


def measure() -> list[Row]:
    """Medians; the clients take turns."""
    rows: list[Row] = []
    for task, found in _found((*CLIENTS, LIMIT)).items():
        rows += _rows(task, found)
    return rows


def ours() -> list[Figure]:
    """The same, of ours."""
    figures = []
    for task, found in _found(CLIENTS[:1]).items():
        seconds, cpu = found[CLIENTS[0]]
        figures += [Figure(_what(task), seconds), Figure(f"{_what(task)}: processor", cpu)]
    return figures


def _found(clients: Sequence[str]) -> dict[str, dict[str, tuple[float, float]]]:
    """Median seconds and CPU seconds by task and client."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as scratch:
        folder, keys = Path(scratch) / "objects", Path(scratch) / "keys"
        folder.mkdir()
        large = _prepare(folder, keys)
        with _server(folder) as port:
            for task in GOALS:
                runs: dict[str, list[list[float]]] = {client: [] for client in clients}
                for _ in range(ROUNDS):
                    for client in clients:
                        runs[client].append(_run(client, task, scratch, folder, keys, large, port))
                found[task] = {client: _middle(times) for client, times in runs.items()}
    return found


def _middle(times: list[list[float]]) -> tuple[float, float]:
    seconds, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    return seconds, cpu


def _what(task: str) -> str:
    size, way = task.split()
    if way == "cached":
        return f"S3 {LARGE / 1e9:g} GB down into the cache, hashed"
    return f"S3 {LARGE / 1e9:g} GB {way}" if size == "large" else f"S3 {OBJECTS:,} x 100 KB {way}"


def _rows(task: str, found: dict[str, tuple[float, float]]) -> list[Row]:
    """Two rows a peer: the rate or the time, and the processor's time."""
    what, goal, limit = _what(task), GOALS[task], "a bare socket"
    (seconds, cpu), (at_best, cpu_at_best) = found[CLIENTS[0]], found[LIMIT]
    rows = []
    for peer, name in zip(CLIENTS[1:], ("plain boto3", "metaflow.S3"), strict=True):
        theirs, their_cpu = found[peer]
        if task.startswith("large"):
            mine, other, best = LARGE / seconds, LARGE / theirs, LARGE / at_best
            rows.append(Row(what, mine, name, other, f">= {goal:g} GB/s", mine >= goal * 1e9, "GB/s", limit, best))
        else:
            text, met = f">= {goal:,.0f}/s", OBJECTS / seconds >= goal
            rows.append(Row(what, seconds, name, theirs, text, met, "ms", limit, at_best))
        rows.append(Row(f"{what}: processor", cpu, name, their_cpu, "", True, "ms", limit, cpu_at_best))
    return rows


def _prepare(folder: Path, keys: Path) -> str:
    """Objects named by their hashes: one large, many small."""
    from blake3 import blake3

    chance = random.Random(0)
    block = chance.randbytes(min(LARGE, 64_000_000))
    content = (block * (LARGE // len(block) + 1))[:LARGE]
    large = blake3(content, max_threads=blake3.AUTO).hexdigest()
    (folder / large).write_bytes(content)
    names = []
    for number in range(OBJECTS):
        small = number.to_bytes(8, "little") + block[8:SMALL]
        names.append(blake3(small).hexdigest())
        (folder / names[-1]).write_bytes(small)
    keys.write_text("\n".join(names))
    return large


def _run(client: str, task: str, scratch: str, folder: Path, keys: Path, large: str, port: int) -> list[float]:
    """One client, one task, in a fresh process and folder: seconds, CPU seconds."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {
        **kept,
        "HOME": scratch,
        "TMPDIR": scratch,
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "METAFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "METAFLOW_USER": "bench",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    sizes = json.dumps([LARGE, large])
    command = [sys.executable, "-c", _CLIENT, client, task, str(folder), sizes, str(keys)]
    with tempfile.TemporaryDirectory(dir=scratch) as own:
        done = subprocess.run(command, cwd=own, env=environment, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{client}, {task}: {done.stderr[-2000:]}")
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    """The server that does no work; gives its port."""
    command = [sys.executable, "-m", "benchmarks.s3_server", str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
