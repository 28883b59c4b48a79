"""`mailguard serve`: prepare everything once, then run relay workers and jobs under one parent."""

import functools
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from mailguard import logs
from mailguard.config import Config, split_address
from mailguard.errors import ConfigError, MailGuardError, StoreUnavailable
from mailguard.service.compose import migrate_database
from mailguard.service.jobs import run_jobs, run_reconcile
from mailguard.service.load import load_policy, load_ruleset, school_of
from mailguard.service.notify import notify
from mailguard.service.relay import run_relay
from mailguard.service.supervise import Body, Leash, Supervisor
from mailguard.smtp.server import listen


def serve(config: Config) -> int:
    """Run until SIGTERM; return the exit status.

    Raises ConfigError for rules, directory or addresses that cannot be used, before any listener
    accepts; StoreUnavailable when the database cannot be opened.
    """
    logs.configure(as_json=config.log.format == "json", level=config.log.level)
    loaded = load_ruleset(
        school=school_of(config),
        local=Path(config.rules.local),
        disabled=config.rules.disable,
        cache=Path(config.storage.cache),
    )
    policy = load_policy(config)
    sockets = bind_all(config)
    _prepare(config)
    bodies: dict[str, Body] = {
        f"relay-{number}": functools.partial(run_relay, config, loaded, policy, sockets)
        for number in range(1, config.relay.workers + 1)
    }
    bodies["jobs"] = functools.partial(_jobs_body, config, sockets)
    supervisor = Supervisor(
        bodies, grace_s=config.relay.answer_s + 10, on_ready=functools.partial(notify, "READY=1")
    )
    status = supervisor.run()
    notify("STOPPING=1")
    return status


def bind_all(config: Config) -> tuple[socket.socket, ...]:
    """A listening socket for each listener. Raises ConfigError naming every one that cannot be."""
    sockets, problems = [], []
    for number, listener in enumerate(config.listeners):
        try:
            sockets.append(listen(*split_address(listener.address)))
        except OSError as error:
            problems.append(
                f"listeners.{number}.address: cannot listen on {listener.address}: "
                f"{error.strerror}; is something else running there?"
            )
    if problems:
        raise ConfigError(problems)
    return tuple(sockets)


def _prepare(config: Config) -> None:
    """Migrate and reconcile in a process of their own: the parent stays without threads, so that
    forking from it is safe."""
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        if status:
            raise StoreUnavailable("the database or the spool could not be prepared; see above")
        return
    status = 1
    try:
        migrate_database(config)
        run_reconcile(config)
        status = 0
    except MailGuardError as error:
        print(f"mailguard: {error}", file=sys.stderr, flush=True)
    finally:
        # Must: the child never returns into the parent's code.
        os._exit(status)


def _jobs_body(config: Config, sockets: Sequence[socket.socket], leash: Leash) -> int:
    for sock in sockets:
        sock.close()
    return run_jobs(config, leash)
