"""Load of the server on loopback: requests a second and latencies at several numbers of clients, one text a request,
predicted one by one against together; then hostile requests, and the server's memory before and after.

    python -m benchmarks.serving example data/example/test.csv --column content
"""

import asyncio
import itertools
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import pandas as pd
import typer

CLIENTS = (1, 8, 64)
SECONDS = 10.0
HOSTILE = 10_000


def serving(run: str, texts: Path, column: str = "text",
            fold: Annotated[int | None, typer.Option(help="One fold; default: all.")] = None) -> None:
    """Prints a table of throughput and latency, and the memory line."""
    rows = pd.read_csv(texts, dtype=str)[column].tolist()
    rates: dict[tuple[int, int], float] = {}
    print("| clients | predicted | requests/s | p50, ms | p99, ms |\n|---|---|---|---|---|")
    for batch, clients in itertools.product((1, 64), CLIENTS):
        with server(run, batch, fold) as (address, _):
            taken = asyncio.run(load(address, rows, clients))
        rates[batch, clients] = len(taken) / SECONDS
        print(f"| {clients} | {'together' if batch > 1 else 'one by one'} | {rates[batch, clients]:,.0f} | "
              f"{1e3 * np.percentile(taken, 50):.1f} | {1e3 * np.percentile(taken, 99):.1f} |", flush=True)
    for clients in CLIENTS:
        print(f"{clients} clients: together is {rates[64, clients] / rates[1, clients]:.2f} times one by one")
    with server(run, 64, fold) as (address, process):
        asyncio.run(load(address, rows, 8))
        before = resident(process.pid)
        codes = asyncio.run(hostile(address))
        alive = httpx.get(f"{address}/health").json()["status"]
        print(f"{HOSTILE:,} hostile requests: {dict(sorted(codes.items()))}, then {alive}; resident "
              f"{before / 2**20:,.0f} MiB before, {resident(process.pid) / 2**20:,.0f} MiB after")


@contextmanager
def server(run: str, batch: int, fold: int | None) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The command, ready to answer."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    chosen = [] if fold is None else ["--fold", str(fold)]
    with subprocess.Popen([sys.executable, "-m", "stages", "serve", run, "--port", str(port), "--batch", str(batch),
                           *chosen], stdout=subprocess.DEVNULL) as process:
        address = f"http://127.0.0.1:{port}"
        while True:
            try:
                httpx.get(f"{address}/health")
                break
            except httpx.TransportError:
                time.sleep(0.2)
        try:
            yield address, process
        finally:
            process.terminate()


async def load(address: str, rows: list[str], clients: int) -> list[float]:
    """Seconds of each answered request."""
    taken: list[float] = []
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=httpx.Limits(max_connections=clients)) as client:
        await asyncio.gather(*(client.post("/predict", json={"texts": [text]}) for text in rows[:200]))  # warm
        until = time.monotonic() + SECONDS

        async def one(number: int) -> None:
            order = random.Random(number)
            while time.monotonic() < until:
                begin = time.perf_counter()
                reply = await client.post("/predict", json={"texts": [order.choice(rows)]})
                assert reply.status_code == 200, reply.text
                taken.append(time.perf_counter() - begin)

        await asyncio.gather(*map(one, range(clients)))
    return taken


async def hostile(address: str) -> dict[int, int]:
    """How often each status was the answer to what no client should send."""
    rng, codes = random.Random(0), dict[int, int]()

    def body() -> bytes:
        kind = rng.randrange(6)
        if kind == 0:
            return rng.randbytes(rng.randrange(300))
        if kind == 1:
            return b'{"texts": ' + b"[" * rng.randrange(2000)
        if kind == 2:
            return b'{"texts": ["' + "𓀀\\u0000é\u202e".encode() * rng.randrange(500) + b'"]}'
        if kind == 3:
            return b'{"texts": [' + b",".join([b'""'] * rng.randrange(400)) + b"]}"
        if kind == 4:
            return b'{"texts": ["\\ud800"], "x": 1e999}'
        return b"x" * rng.randrange(1_500_000)

    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        for _ in range(HOSTILE // 20):
            replies = await asyncio.gather(*(client.post("/predict", content=body(), headers={
                "Content-Type": "application/json"}) for _ in range(20)), return_exceptions=True)
            for reply in replies:
                code = -1 if isinstance(reply, BaseException) else reply.status_code
                codes[code] = codes.get(code, 0) + 1
    return codes


def resident(process: int) -> int:
    """Bytes of memory that the process of that number holds."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    typer.run(serving)
