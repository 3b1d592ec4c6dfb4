"""S3: what our client costs beside plain boto3 and `metaflow.S3`, against a server on loopback that does no work.

Each client is a process of its own that is measured for one thing: seconds and CPU seconds, its children's too. Memory
is filled once before, since on a virtual machine the first touch of a page can cost more than all else. Ours also
hashes what it reads, which the peers do not. Rows: throughput, then the processor's time for a GB or an object.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.table import Row

__all__ = ["measure"]

# `FLOWNB_BENCH_S3_MB` and `FLOWNB_BENCH_S3_OBJECTS` make it smaller, to see that it works.
LARGE = int(os.environ.get("FLOWNB_BENCH_S3_MB", "1000")) * 1_000_000
OBJECTS = int(os.environ.get("FLOWNB_BENCH_S3_OBJECTS", "1000"))
SMALL = 100_000
ROUNDS = 3
CLIENTS = ("ours", "boto3", "metaflow")

_CLIENT = """
import json, mmap, os, resource, sys, time
client, task, folder, large, keys = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4]), sys.argv[5]
size, key = large
smalls = open(keys).read().split()
body = open(os.path.join(folder, key), "rb").read() if task == "large up" else b""
bodies = [open(os.path.join(folder, name), "rb").read() for name in smalls] if task == "small up" else []

def warm():
    memory = mmap.mmap(-1, size + size // 2)
    block = bytes(1 << 20)
    for start in range(0, len(memory) - len(block), len(block)):
        memory[start : start + len(block)] = block
    memory.close()

if client == "ours":
    from flownb.store.s3.cache import BlobCache
    from flownb.store.s3 import open_s3
    from pathlib import Path
    storage, blobs = open_s3("s3://bench/ours", cache=BlobCache(Path("unused"), 0))
    storage.exists("warm"), storage.read("warm"), storage.write("warm", bytes(1 << 17))
    def large_up():
        blobs._damaged.add(key)  # the server answers that everything is there
        blobs.put([body], key, size)
        blobs.settle()
    def large_down():
        assert len(blobs.get(key, size)) == size
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
    def all_of(call, items):
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(call, items))
    def small_up():
        all_of(lambda item: s3.put_object(Bucket="bench", Key="boto3/" + item[0], Body=item[1]), zip(smalls, bodies))
    def small_down():
        all_of(lambda name: s3.get_object(Bucket="bench", Key=name)["Body"].read(), smalls)
else:
    from metaflow import S3
    s3 = S3(s3root="s3://bench/metaflow")
    def large_up():
        s3.put(key, body, overwrite=True)
    def large_down():
        assert s3.get(key).size == size
    def small_up():
        s3.put_many(zip(smalls, bodies), overwrite=True)
    def small_down():
        assert len(s3.get_many(smalls)) == len(smalls)

def spent():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)

work = {"large up": large_up, "large down": large_down, "small up": small_up, "small down": small_down}[task]
warm()
cpu, start = spent(), time.perf_counter()
work()
print(json.dumps([time.perf_counter() - start, spent() - cpu]), flush=True)
os._exit(0)
"""


def measure() -> list[Row]:
    """Medians of seconds; the clients take turns."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder, keys, large = Path(scratch) / "objects", Path(scratch) / "keys", ""
        folder.mkdir()
        large = _prepare(folder, keys)
        with _server(folder) as port:
            for task, goal in (("large up", 1.0), ("large down", 1.25), ("small up", 4000), ("small down", 4000)):
                found: dict[str, list[list[float]]] = {client: [] for client in CLIENTS}
                for _ in range(ROUNDS):
                    for client in CLIENTS:
                        found[client].append(_run(client, task, scratch, folder, keys, large, port))
                rows += _rows(task, goal, found)
    return rows


def _rows(task: str, goal: float, found: dict[str, list[list[float]]]) -> list[Row]:
    """Two rows a peer: the time, and the processor's time for a GB or for a thousand objects."""
    middle = {
        client: [statistics.median(column) for column in zip(*runs, strict=True)] for client, runs in found.items()
    }
    ours, cpu = middle["ours"]
    is_large = task.startswith("large")
    amount = LARGE / 1e9 if is_large else OBJECTS / 1000
    rate = f"{LARGE / 1e9 / ours:.2f} GB/s" if is_large else f"{OBJECTS / ours:,.0f}/s"
    what = f"S3 {LARGE / 1e9:g} GB" if is_large else f"S3 {OBJECTS:,} x 100 KB"
    wanted = f">= {goal:g} GB/s" if is_large else f">= {goal:,.0f}/s"
    met = ours <= (LARGE / 1e9 / goal if is_large else OBJECTS / goal)
    rows = []
    for peer in CLIENTS[1:]:
        name = "plain boto3" if peer == "boto3" else "metaflow.S3"
        rows.append(Row(f"{what} {task.split()[1]}: {rate}", ours, name, middle[peer][0], wanted, met))
        unit = "a GB" if is_large else "1,000 objects"
        rows.append(Row(f"  processor, {unit}", cpu / amount, name, middle[peer][1] / amount, "", True))
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
    """One client, one task, in a fresh process: seconds, CPU seconds."""
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
    done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, timeout=300)
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
