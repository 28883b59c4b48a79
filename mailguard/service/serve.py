"""`mailguard serve`: prepare everything once, then run relay workers and jobs under one parent."""

import errno
import functools
import os
import socket
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from mailguard import __version__, logs, metrics
from mailguard.config import Config, socket_path, split_address
from mailguard.errors import ConfigError, MailGuardError, StoreUnavailable
from mailguard.milter.server import listen_unix
from mailguard.policy.disposition import Policy
from mailguard.service.compose import certificate_of, migrate_database
from mailguard.service.jobs import run_jobs, run_reconcile
from mailguard.service.leash import BEAT_S, Leash
from mailguard.service.load import Loaded, load_directory, load_policy, load_ruleset
from mailguard.service.metrics import bind_figures, start_figures
from mailguard.service.notify import notify
from mailguard.service.relay import run_relay
from mailguard.service.supervise import SILENCE_S, Body, Supervisor
from mailguard.smtp.server import listen


class Part(StrEnum):
    """A part of the service that runs as a unit of its own."""

    RELAY = "relay"
    """The listeners and their workers."""

    JOBS = "jobs"
    """Everything that is done by the clock."""


def serve(config: Config, only: Part | None = None) -> int:
    """Run `only` this part, or all, until SIGTERM; return the exit status.

    Raises ConfigError for rules, directory or addresses that cannot be used, before any listener
    accepts; StoreUnavailable when the database cannot be opened.
    """
    logs.configure(as_json=config.log.format == "json", level=config.log.level)
    parts = tuple(Part) if only is None else (only,)
    has_relay, has_jobs = Part.RELAY in parts, Part.JOBS in parts
    rules = _load_rules(config) if has_relay else None
    sockets = bind_all(config) if has_relay else ()
    if has_jobs:
        # For its mistakes only: the jobs read it again.
        load_directory(config)
    # Must: after the addresses are ours, since it removes what an earlier run has left.
    figures = bind_figures(config) if has_jobs else None
    keeps_figures = (figures is not None or not has_jobs) and start_figures(
        config, "service" if only is None else f"service-{only}"
    )
    if figures is not None and not keeps_figures:
        figures.close()
        figures = None
    bodies: dict[str, Body] = {}
    if rules is not None:
        metrics.built(__version__, rules[0].ruleset.fingerprint)
        relay = functools.partial(_run_relay, config, *rules, sockets, figures)
        bodies |= {f"relay-{number}": relay for number in range(1, config.relay.workers + 1)}
    if has_jobs:
        bodies["jobs"] = functools.partial(_run_jobs, config, sockets, figures)
    _prepare(config, reconciles=has_relay)
    supervisor = Supervisor(
        bodies,
        grace_s=config.relay.answer_s + 10,
        tell=notify,
        # One message may keep a worker busy for as long as judging may take.
        silence_s=max(SILENCE_S, config.relay.scan_s + 2 * BEAT_S),
    )
    return supervisor.run()


def _load_rules(config: Config) -> tuple[Loaded, Policy]:
    policy = load_policy(config)
    loaded = load_ruleset(
        school=policy.directory.school,
        local=Path(config.rules.local),
        disabled=config.rules.disable,
        cache=Path(config.storage.cache),
    )
    for listener in config.listeners:
        certificate_of(listener)
    return loaded, policy


def bind_all(config: Config) -> tuple[socket.socket, ...]:
    """A listening socket for each listener. Raises ConfigError naming every one that cannot be."""
    sockets, problems = [], []
    for number, listener in enumerate(config.listeners):
        path = socket_path(listener.address)
        try:
            sockets.append(
                listen_unix(Path(path)) if path else listen(*split_address(listener.address))
            )
        except OSError as error:
            is_taken = error.errno == errno.EADDRINUSE or not path
            hint = "is something else running there?" if is_taken else "see to the folder it is in"
            problems.append(
                f"listeners.{number}.address: cannot listen on {listener.address}: "
                f"{error.strerror}; {hint}"
            )
    if problems:
        raise ConfigError(problems)
    return tuple(sockets)


def _prepare(config: Config, *, reconciles: bool) -> None:
    """Migrate, and reconcile for the part that makes rows, in a process of their own: the parent
    stays without threads, so that forking from it is safe."""
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        if status:
            raise StoreUnavailable("the database or the spool could not be prepared; see above")
        return
    status = 1
    try:
        migrate_database(config)
        if reconciles:
            run_reconcile(config)
        status = 0
    except MailGuardError as error:
        print(f"mailguard: {error}", file=sys.stderr, flush=True)
    finally:
        # Must: the child never returns into the parent's code.
        os._exit(status)


def _run_relay(
    config: Config,
    loaded: Loaded,
    policy: Policy,
    sockets: Sequence[socket.socket],
    figures: socket.socket | None,
    leash: Leash,
) -> int:
    if figures is not None:
        figures.close()
    return run_relay(config, loaded, policy, sockets, leash)


def _run_jobs(
    config: Config,
    sockets: Sequence[socket.socket],
    figures: socket.socket | None,
    leash: Leash,
) -> int:
    for sock in sockets:
        sock.close()
    return run_jobs(config, leash, figures)
