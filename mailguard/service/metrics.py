"""Figures over HTTP: ``/metrics`` for Prometheus, and ``/healthz`` for whatever only asks whether
all is well."""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from mailguard import events, metrics
from mailguard.config import Config, split_address
from mailguard.metrics.catalogue import (
    ALERT_OVERDUE,
    CANARY_LAST_RUN,
    CANARY_OK,
    DATABASE_UP,
    DIGEST_OVERDUE,
    PROCESS_UP,
    SUPERVISOR_SEEN,
    Metric,
)
from mailguard.smtp.server import listen

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

MOST_CLIENTS = 16
"""Answered at a time. A further one takes the place of the one that has been there longest, so that
clients which say nothing cannot keep Prometheus out."""

ANSWER_S = 10.0
"""For one client in all, as long as Prometheus waits (its `scrape_timeout`)."""

MISSED_TESTS = 3
"""After so many self-tests that did not take place, something keeps them from it."""

SEEN_S = 60.0
"""A supervisor that has not gone round for so long is not there: it does every few seconds."""


def start_figures(config: Config, process: str) -> bool:
    """Begin to keep figures, if they are wanted; False when none are kept, with which mail goes
    on."""
    if not config.metrics.address:
        return False
    try:
        metrics.configure(Path(config.metrics.folder), process)
    except (OSError, RuntimeError) as error:
        metrics.stop()
        events.metrics_unavailable(error)
    return metrics.is_on()


def bind_figures(config: Config) -> socket.socket | None:
    """The socket on which figures are served; None where none are, or where it cannot be had: no
    alert and no digest waits for that."""
    if not config.metrics.address:
        return None
    try:
        return listen(*split_address(config.metrics.address))
    except OSError as error:
        events.metrics_unavailable(error)
        return None


def serve_figures(config: Config, sock: socket.socket | None) -> None:
    """Serve on `sock`, if there is one, until the process ends. Returns at once: threads do it, so
    that neither mail nor jobs wait for a client."""
    if sock is None:
        return
    workers = [f"relay-{number}" for number in range(1, config.relay.workers + 1)]
    canary_s = config.canary.minutes * 60 * MISSED_TESTS
    server = _Server(sock, _application([*workers, "jobs"], canary_s))
    threading.Thread(target=server.serve_forever, name="figures", daemon=True).start()


def ailments(processes: Iterable[str], now: float, canary_s: float = 0) -> list[str]:
    """What is not well, in plain words, at the Unix time `now`. A self-test is missed `canary_s`
    seconds after the last; never where that is 0."""
    values: dict[str, dict[str, float]] = {}
    for metric in metrics.registry().collect():
        for sample in metric.samples:
            values.setdefault(sample.name, {})[",".join(sample.labels.values())] = sample.value
    if not values:
        return ["there are no figures: see the event metrics_unavailable in the log"]

    def of(metric: Metric) -> dict[str, float]:
        return values.get(metric.name, {})

    found = [f"{name} is not running" for name in processes if not of(PROCESS_UP).get(name)]
    seen = max(of(SUPERVISOR_SEEN).get(p, 0) for p in ("service", "service-relay"))
    if abs(now - seen) > SEEN_S:
        found.append("the part that takes mail is not running")
    if not of(DATABASE_UP).get(""):
        found.append("the database cannot be read")
    found += [
        f"the last self-test of the listener {name} failed"
        for name, ok in of(CANARY_OK).items()
        if not ok
    ]
    found += [
        f"the listener {name} is no longer tested"
        for name, at in of(CANARY_LAST_RUN).items()
        if canary_s and abs(now - at) > canary_s
    ]
    if of(DIGEST_OVERDUE).get(""):
        found.append("a digest is overdue")
    if of(ALERT_OVERDUE).get(""):
        found.append("an alert is overdue")
    return found


def _application(processes: Sequence[str], canary_s: float) -> "WSGIApplication":
    from prometheus_client import make_wsgi_app

    figures = make_wsgi_app(metrics.registry(), disable_compression=True)

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET":
            return _say(start_response, "405 Method Not Allowed", ["only GET"])
        if environ["PATH_INFO"] == "/metrics":
            environ["QUERY_STRING"] = ""
            answered: Iterable[bytes] = figures(environ, start_response)
            return answered
        if environ["PATH_INFO"] == "/healthz":
            found = ailments(processes, time.time(), canary_s)
            status = "503 Service Unavailable" if found else "200 OK"
            return _say(start_response, status, found or ["all is well"])
        return _say(start_response, "404 Not Found", ["here are /metrics and /healthz"])

    return answer


def _say(start_response: "StartResponse", status: str, lines: Sequence[str]) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return ["".join(f"{line}\n" for line in lines).encode()]


class _Handler(WSGIRequestHandler):
    timeout = ANSWER_S

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name there
        """Log nothing: who asks for figures is no event."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, sock: socket.socket, application: "WSGIApplication") -> None:
        # Without binding: the socket was bound before anything was forked, and the inherited
        # `server_bind` asks the DNS for a name.
        super().__init__(sock.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.server_name, self.server_port = "mailguard", sock.getsockname()[1]
        self.setup_environ()
        self.set_app(application)
        self._guard = threading.Lock()
        self._clients: dict[socket.socket, float] = {}

    def process_request(self, request, client_address) -> None:  # type: ignore[no-untyped-def]
        """Make room first."""
        with self._guard:
            while len(self._clients) >= MOST_CLIENTS:
                self._cut_off(next(iter(self._clients)))
            self._clients[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:  # type: ignore[no-untyped-def]
        """Forget the client too."""
        with self._guard:
            self._clients.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Twice a second: cut off who takes too long, however it keeps us busy."""
        latest = time.monotonic() - ANSWER_S
        with self._guard:
            for client in [c for c, since in self._clients.items() if since < latest]:
                self._cut_off(client)

    def handle_error(self, request, client_address) -> None:  # type: ignore[no-untyped-def]
        """A client that went away is nothing to tell."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            events.job_failed("figures", error)

    def _cut_off(self, client: socket.socket) -> None:
        del self._clients[client]
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
