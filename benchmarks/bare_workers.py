"""The least that a durable run of Python tasks can cost: two forked workers, no more.

    python bare_workers.py COUNT SHAPE FOLDER

Each worker holds one task at a time; jobs and results cross a socket pair as lines of JSON. A
thread keeps the results in an LMDB that is new: what came while one synced commit lasted is the
batch of the next, and the process ends when all are durable. No definition is read, nothing is
hashed, checked, timed, logged or told, and no task can fail.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
from queue import SimpleQueue
from threading import Thread

import lmdb

WORKERS = 2


def noop(**inputs: object) -> None:
    """Do what every measured task does."""


def main() -> None:
    """Run so many tasks, flat, as a chain, or as a fan: one, all others, one."""
    count, shape, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    idle = [_fork() for _ in range(WORKERS)]
    results: SimpleQueue[tuple[str, bytes] | None] = SimpleQueue()
    writer = Thread(target=_write, args=(folder, results))
    writer.start()
    missing = [_needs(index, count, shape) for index in range(count)]
    ready = [index for index in range(count) if not missing[index]][::-1]
    selector = selectors.DefaultSelector()
    for worker in idle:
        selector.register(worker, selectors.EVENT_READ)
    done = 0
    while done < count:
        while ready and idle:
            idle.pop().sendall(json.dumps({"task": ready.pop(), "inputs": {}}).encode() + b"\n")
        for key, _ in selector.select():
            worker = key.fileobj
            assert isinstance(worker, socket.socket)
            line = worker.recv(1 << 16)
            index = json.loads(line)["task"]
            results.put((str(index), line))
            idle.append(worker)
            done += 1
            for after in _dependants(index, count, shape):
                missing[after] -= 1
                if not missing[after]:
                    ready.append(after)
    results.put(None)
    writer.join()


def _needs(index: int, count: int, shape: str) -> int:
    if shape == "flat" or index == 0:
        return 0
    return count - 2 if shape == "fan" and index == count - 1 else 1


def _dependants(index: int, count: int, shape: str) -> range:
    if shape == "flat" or index == count - 1:
        return range(0)
    if shape == "chain":
        return range(index + 1, index + 2)
    return range(count - 1, count) if index else range(1, count - 1)


def _fork() -> socket.socket:
    ours, theirs = socket.socketpair()
    if os.fork():
        theirs.close()
        return ours
    ours.close()
    while line := theirs.recv(1 << 16):
        job = json.loads(line)
        result = {"task": job["task"], "output": noop(**job["inputs"])}
        theirs.sendall(json.dumps(result).encode() + b"\n")
    os._exit(0)


def _write(folder: str, results: SimpleQueue[tuple[str, bytes] | None]) -> None:
    """Make every result durable, in as few commits as the disk asks for."""
    environment = lmdb.open(folder, map_size=1 << 30, sync=True)
    last = False
    while not last:
        batch = [results.get()]
        while not results.empty():
            batch.append(results.get())
        last = batch[-1] is None
        with environment.begin(write=True) as transaction:
            for result in batch:
                if result is not None:
                    transaction.put(result[0].encode(), result[1])
    environment.close()


if __name__ == "__main__":
    main()
