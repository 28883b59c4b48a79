"""Forking the process that runs the tests."""

import gc
import os
import threading

_DATABASE = "database"
"""How the threads are named in which SQLite works (`store.engine`)."""


def fork() -> int:
    """As `os.fork`, when no thread is inside SQLite.

    A database that a test left open is closed in its thread once nobody has it any more. Should
    that be just now, the child would wait for SQLite's own lock for ever.
    """
    gc.collect()
    for thread in threading.enumerate():
        if thread.name.startswith(_DATABASE):
            thread.join(0.01)
    return os.fork()
