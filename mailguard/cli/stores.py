"""Work on what MailGuard keeps, beside a service that may be running."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from mailguard import logs
from mailguard.config import Config, socket_path, split_address
from mailguard.errors import UserError
from mailguard.service.compose import Stores, open_stores

T = TypeVar("T")

PATIENCE_S = 2.0
"""For a connection to our own listener: on this machine it takes a millisecond."""


def with_stores(config: Config, work: Callable[[Stores], Awaitable[T]]) -> T:
    """Do `work` on the stores and close them. Raises UserError when there is no database yet."""
    # What a decision logs is in the audit log too; at a terminal it would only be noise.
    logs.configure(level="error")
    database = database_file(config)
    try:
        database.stat()
    except FileNotFoundError:
        raise UserError(
            f"there is no database at {database} yet; `mailguard serve` makes it when it starts, "
            "and `mailguard db migrate` does so now"
        ) from None
    except OSError as error:
        raise UserError(
            f"{database}: {error.strerror}; run this as root or as the user that MailGuard runs as"
        ) from None
    return asyncio.run(_open_and(config, work))


def database_file(config: Config) -> Path:
    """The database's file: the configuration allows only ``sqlite:////absolute/path``."""
    return Path(config.storage.database.removeprefix("sqlite:///"))


def is_serving(config: Config) -> bool:
    """Whether something accepts connections where this configuration's service listens."""
    try:
        if path := socket_path(config.listeners[0].address):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(PATIENCE_S)
                probe.connect(path)
                return True
        address = split_address(config.listeners[0].address)
        with socket.create_connection(address, timeout=PATIENCE_S):
            return True
    except OSError:
        return False


async def _open_and(config: Config, work: Callable[[Stores], Awaitable[T]]) -> T:
    stores = open_stores(config)
    try:
        return await work(stores)
    finally:
        await stores.close()
