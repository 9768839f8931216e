"""Ctrl-C and SIGTERM: end in order, or within seconds where TensorFlow does not listen, and take the workers along."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

GRACE = 4.0  # seconds that compiled code may take to come back before the process is ended


class Terminated(BaseException):
    """SIGTERM arrived."""


def end_within(seconds: float = GRACE) -> None:
    """From now on SIGINT and SIGTERM end this process and its children at most that many seconds after they came.

    Python hears of a signal only between two operations, and compiling a step is one of them, so a thread that the
    signal wakes directly keeps the time. Whatever is being written is then left under a temporary name.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, _terminate)

    def keep_time() -> None:
        number = os.read(reader, 1)[0]
        while number not in (signal.SIGINT, signal.SIGTERM):
            number = os.read(reader, 1)[0]
        time.sleep(seconds)
        kill_children()
        os._exit(128 + number)

    threading.Thread(target=keep_time, daemon=True).start()


def leave(code: int) -> NoReturn:
    """Ends an interrupted process without the interpreter's shutdown: TensorFlow's threads may still be at work."""
    sys.stdout.flush()
    sys.stderr.flush()
    logging.shutdown()
    os._exit(code)


def end_with_parent() -> None:
    """In a worker: Ctrl-C is the parent's to handle, and the parent's end, however it came, is this process's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def kill_children() -> None:
    """Ends the workers at once; what they were fitting is made again from its kept state."""
    for child in multiprocessing.active_children():
        child.kill()


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
