"""Measure the relay beside the bare sink and beside bare aiosmtpd, in one run.

Prints one table: messages a second, p50 and p99 from connect to the reply to the final dot, and CPU
per message of the process under test (all its processes and threads, user and system).
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailguard.testing.service import Service, free_port

ROOT = Path(__file__).parents[1]

SCHOOL = """
[school]
name = "Bench School"
domains = ["school.test"]
"""

DISCARD = """
import asyncio, sys
from aiosmtpd.controller import UnthreadedController
class Discard:
    async def handle_DATA(self, server, session, envelope):
        return "250 OK"
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
UnthreadedController(Discard(), hostname="127.0.0.1", port=int(sys.argv[1]), loop=loop).begin()
loop.run_forever()
"""

WORDS = """
the school trip letter parents please friday lunch reading homework maths science history football
practice hall assembly year group teacher class thank you kind regards meeting term uniform
library book project science art music choir concert tickets office return form sign bus coach
morning afternoon tuesday wednesday bring water coat bag shoes pencil
""".split()  # noqa: SIM905  a paragraph, not sixty lines of quotes


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run of the generator against one port."""

    rate: float
    p50: float
    p99: float
    cpu_ms: float
    ok: int
    failed: int


def make_messages(folder: Path, count: int = 400) -> list[Path]:
    """Plain and HTML messages like a school's: 6 KB on average, none with anything to find."""
    chance = random.Random(7)
    files = []
    for number in range(count):
        length = int(chance.lognormvariate(6.3, 0.8))
        paragraphs, words = [], [chance.choice(WORDS) for _ in range(length)]
        while words:
            size = chance.randint(20, 60)
            paragraphs.append(" ".join(words[:size]).capitalize() + ".")
            words = words[size:]
        if number % 3:
            kind, body = "plain", "\r\n\r\n".join(paragraphs)
        else:
            kind, body = "html", "".join(f"<p>{p}</p>\r\n" for p in paragraphs)
        text = (
            f"From: Sender {number} <sender@example.test>\r\nTo: user@school.test\r\n"
            f"Subject: {' '.join(chance.choices(WORDS, k=6))}\r\n"
            f"Message-ID: <{number}@example.test>\r\nDate: Mon, 2 Mar 2026 12:00:00 +0000\r\n"
            f"MIME-Version: 1.0\r\nContent-Type: text/{kind}; charset=utf-8\r\n\r\n{body}\r\n"
        )
        file = folder / f"{number}.eml"
        file.write_text(text)
        files.append(file)
    return files


def cpu_seconds(session: int) -> float:
    """User and system time so far of every thread in a session."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rsplit(")", 1)[1].split()[3]) != session:
                continue
            for task in (stat.parent / "task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total / 1e9


def load(
    generator: Path, listing: Path, port: int, session: int, sessions: int, seconds: float
) -> Result:
    """Run the generator for `seconds` and read its line."""
    before = cpu_seconds(session)
    done = subprocess.run(
        [generator, *f"-p {port} -s {sessions} -n 1000000 -r 1 -t {seconds} -l {listing}".split()],
        capture_output=True,
        text=True,
        check=True,
    )
    used = cpu_seconds(session) - before
    line = json.loads(done.stdout)
    ok = line["ok"]
    return Result(
        rate=line["rate"],
        p50=line["p50"],
        p99=line["p99"],
        cpu_ms=used * 1000 / max(ok, 1),
        ok=ok,
        failed=line["t4"] + line["t5"] + line["connerr"] + line["proto"],
    )


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """A program that listens on `port`; yields its session id."""
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port: int) -> None:
    """Return once something listens."""
    import socket

    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


@contextmanager
def mailguard(
    folder: Path, sink: int, workers: int, *, figures: bool = False
) -> Iterator[tuple[int, int]]:
    """The service; yields its port and session id."""
    name = f"mailguard-{workers}{'-figures' if figures else ''}"
    metrics = (
        f'[metrics]\naddress = "127.0.0.1:{free_port()}"\nfolder = "{folder}/{name}.figures"\n'
    )
    service = Service(
        folder=folder / name,
        next_hop=sink,
        cache=folder / "cache",
        workers=workers,
        extra='[log]\nlevel = "warning"\n' + (metrics if figures else ""),
    )
    service.start()
    assert service.process is not None
    try:
        yield service.port, service.process.pid
    finally:
        service.stop()


def main() -> None:
    """Measure and print."""
    # So that what was started is ended when we are told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = read_options()
    generator = build_generator(options.generator)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        corpus = (
            [file for file in sorted(options.corpus.rglob("*")) if file.is_file()]
            if options.corpus
            else make_messages(folder)
        )
        listing = folder / "list"
        listing.write_text("".join(f"{file}\n" for file in corpus))
        mean = statistics.mean(file.stat().st_size for file in corpus)
        print(f"{len(corpus)} messages, {mean / 1024:.1f} KB mean; {os.cpu_count()} cores")
        sink, discard = free_port(), free_port()
        smtp_sink = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
        with (
            running([smtp_sink, "-u", "nobody", f"127.0.0.1:{sink}", "1000"], sink) as sink_id,
            running([sys.executable, "-c", DISCARD, str(discard)], discard) as discard_id,
            mailguard(folder, sink, 1) as (one, one_id),
            mailguard(folder, sink, 1, figures=True) as (figures, figures_id),
            mailguard(folder, sink, 2) as (two, two_id),
        ):
            targets = (
                ("straight to the sink", sink, sink_id),
                ("bare aiosmtpd, discarding", discard, discard_id),
                ("MailGuard, 1 worker", one, one_id),
                ("the same, keeping figures", figures, figures_id),
                ("MailGuard, 2 workers", two, two_id),
            )
            for sessions in options.sessions:
                measure(generator, listing, targets, sessions, options)


def measure(
    generator: Path,
    listing: Path,
    targets: tuple[tuple[str, int, int], ...],
    sessions: int,
    options: argparse.Namespace,
) -> None:
    """All targets in turn, several rounds; the median round of each."""
    rounds: dict[str, list[Result]] = {name: [] for name, *_ in targets}
    for _ in range(options.rounds):
        for name, port, session in targets:
            rounds[name].append(load(generator, listing, port, session, sessions, options.seconds))
    pick: Callable[[list[Result]], Result] = lambda many: sorted(many, key=lambda r: r.rate)[  # noqa: E731
        len(many) // 2
    ]
    base = pick(rounds["bare aiosmtpd, discarding"])
    print(f"\n{sessions} session{'s' * (sessions > 1)}")
    print(f"{'':28}{'msgs/s':>9}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}{'failed':>8}")
    for name, many in rounds.items():
        result = pick(many)
        print(
            f"{name:28}{result.rate:9.0f}{result.rate / base.rate:8.2f}{result.p50:9.2f}"
            f"{result.p99:9.2f}{result.cpu_ms:9.3f}{result.failed:8}"
        )


def build_generator(source: Path) -> Path:
    """Compile the load generator into the cache folder."""
    if not source.is_file():
        raise SystemExit(f"{source} is not there; name the load generator with --generator FILE")
    target = ROOT / ".cache" / "lg"
    target.parent.mkdir(exist_ok=True)
    subprocess.run(["gcc", "-O2", "-o", target, source], check=True)
    return target


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generator", type=Path, default=ROOT / "bench/lg.c")
    parser.add_argument("--corpus", type=Path, help="send the files below this folder")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
