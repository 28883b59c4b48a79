"""Load the real service for as long as one likes, with clients that hang up and a next hop that
fails, and then look for what was lost, what came twice, and what memory did.

Every client is a mail server's queue: it repeats a message until it has read 250. Exit status 0:
nothing lost, nothing altered, every second copy explained by a line in the log, memory flat.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from mailguard.testing.service import Service

PUPIL = "sam@pupils.elmpark.example"
OTHER = "max@pupils.elmpark.example"
TEACHER = "ms.khan@elmpark.example"
HELD = "Nobody wants you in our group. You are worthless."
CLEAN = "Trip letters are due on Friday."

SIZES = ((70, 2_000, 50_000), (26, 50_000, 1_000_000), (4, 1_000_000, 25_000_000))
"""Share in percent, and bytes from and to."""

HELD_SHARE = 0.1
HELD_BYTES = 20_000
"""Of what stays on disk, so that an hour of it fits."""

PATIENCE_S = 120
CHUNK = 1 << 16
ROOM = 64 << 20
"""Bytes by which the memory of one process may differ between two quarters of the run: one large
message more or less in hand at the moment of looking."""

_FILLER = base64.b64encode(random.Random(1).randbytes(57 * 20_000))
_LINES = b"".join(_FILLER[i : i + 76] + b"\r\n" for i in range(0, len(_FILLER), 76))


@dataclass(slots=True)
class Sent:
    """One message of a client's queue."""

    name: str
    held: bool
    sha256: str
    tries: int = 0
    done: bool = False


@dataclass(slots=True)
class Copy:
    """One time that it arrived."""

    queue_id: str
    sha256: str


@dataclass
class Run:
    """What happened so far."""

    chance: random.Random
    trouble: float = 1
    """Times as much of it as usual."""

    sent: dict[str, Sent] = field(default_factory=dict)
    arrived: defaultdict[str, list[Copy]] = field(default_factory=lambda: defaultdict(list))
    events: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    bytes: int = 0
    over: bool = False


class NextHop:
    """Takes mail, and now and then does one of the things that mail servers do."""

    FAILURES = ("mail", "rcpt", "data", "dot", "drop amid data", "drop after the dot", "slow")

    def __init__(self, run: Run) -> None:
        self._run = run
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=CHUNK, backlog=200
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections, and break those there are."""
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def fail_now_and_then(self) -> None:
        """Be away for a second or two, three times a minute."""
        while not self._run.over:
            await asyncio.sleep(self._run.chance.uniform(10, 30))
            if self._run.over:
                return
            self._run.events["next hop was away"] += 1
            await self.stop()
            await asyncio.sleep(self._run.chance.uniform(0.5, 2))
            await self.start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink.example ESMTP\r\n")
        failure = ""
        while line := await reader.readline():
            verb = line[:4].upper()
            reply = b"250 2.0.0 Ok\r\n"
            if verb == b"EHLO":
                reply = b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n"
            elif verb == b"MAIL":
                failure = self._choose()
            elif verb == b"QUIT":
                writer.write(b"221 2.0.0 Bye\r\n")
                return
            if failure and verb.lower().decode() == failure:
                reply = b"451 4.3.0 Not now\r\n"
            elif verb == b"DATA":
                writer.write(b"354 Go on\r\n")
                if not await self._take(reader, failure):
                    return
                if failure == "dot":
                    reply = b"451 4.3.0 Not now\r\n"
            if writer.is_closing():
                return
            writer.write(reply)
            await writer.drain()

    def _choose(self) -> str:
        if self._run.over or self._run.chance.random() > 0.02 * self._run.trouble:
            return ""
        failure = self._run.chance.choice(self.FAILURES)
        self._run.events[f"next hop: {failure}"] += 1
        return failure

    async def _take(self, reader: asyncio.StreamReader, failure: str) -> bool:
        """Read one message; False when the connection is to break now."""
        head, digest, tail = b"", hashlib.sha256(), b""
        left = self._run.chance.randint(1, 20_000) if failure == "drop amid data" else -1
        while not tail.endswith(b"\r\n.\r\n"):
            block = await reader.read(CHUNK)
            if not block:
                raise ConnectionError
            if 0 <= left < len(block):
                return False
            left -= len(block) * (left > 0)
            # Five bytes are kept back: they may be the end of data, which is no content.
            block = tail + block
            block, tail = block[:-5], block[-5:]
            if b"\r\n\r\n" in head:
                digest.update(block)
            else:
                head += block
                if b"\r\n\r\n" in head:
                    digest.update(head.partition(b"\r\n\r\n")[2])
        # The first of the five is a part of the last line's end.
        if b"\r\n\r\n" not in head:
            head += tail[:2]
            digest.update(head.partition(b"\r\n\r\n")[2])
        else:
            digest.update(tail[:2])
        if failure == "dot":
            return True
        name = re.search(rb"Message-ID: <(\S+)@soak\.example>", head)
        queue_id = re.search(rb"\bid (\w+)", head)
        assert name is not None
        copy = Copy(queue_id=queue_id[1].decode() if queue_id else "", sha256=digest.hexdigest())
        self._run.arrived[name[1].decode()].append(copy)
        if failure == "slow":
            await asyncio.sleep(1)
        return failure != "drop after the dot"


class Client:
    """Sends one message after the other, each until it has read 250 for it."""

    def __init__(self, run: Run, port: int, number: int) -> None:
        self._run = run
        self._port = port
        self._number = number

    async def work(self) -> None:
        """Until the run is over, and the message in hand is done."""
        count = 0
        while not self._run.over:
            count += 1
            name = f"{self._number}-{count}"
            is_held = self._run.chance.random() < HELD_SHARE
            message, digest = self._compose(name, is_held=is_held)
            sent = self._run.sent[name] = Sent(name=name, held=is_held, sha256=digest)
            deadline = time.monotonic() + PATIENCE_S
            while not sent.done and time.monotonic() < deadline:
                sent.tries += 1
                try:
                    await asyncio.wait_for(self._send(sent, message), PATIENCE_S)
                except (OSError, asyncio.IncompleteReadError, TimeoutError):
                    self._run.events["client: connection broke"] += 1
                if not sent.done:
                    await asyncio.sleep(self._run.chance.uniform(0.2, 2))
            self._run.bytes += len(message)

    def _compose(self, name: str, *, is_held: bool) -> tuple[bytes, str]:
        share = self._run.chance.choices(SIZES, [size[0] for size in SIZES])[0]
        size = HELD_BYTES if is_held else self._run.chance.randint(share[1], share[2])
        text = HELD if is_held else CLEAN
        filler = (_LINES * (size // len(_LINES) + 1))[: size // 78 * 78]
        body = (
            f"--b\r\nContent-Type: text/plain\r\n\r\n{text} {name}\r\n--b\r\n"
            "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        ).encode()
        body += filler + b"--b--\r\n"
        to = OTHER if is_held else TEACHER
        head = (
            f"From: {PUPIL}\r\nTo: {to}\r\nSubject: {name}\r\nMessage-ID: <{name}@soak.example>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        ).encode()
        return head + body, hashlib.sha256(body).hexdigest()

    async def _send(self, sent: Sent, message: bytes) -> None:
        leaves = self._leaves()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            to = OTHER if sent.held else TEACHER
            await _hear(reader)
            for line in ("EHLO soak.example", f"MAIL FROM:<{PUPIL}>", f"RCPT TO:<{to}>", "DATA"):
                writer.write(line.encode() + b"\r\n")
                if await _hear(reader) >= 400:
                    self._run.events["client: told to try later"] += 1
                    return
            end = self._run.chance.randint(0, len(message)) if leaves == "amid data" else None
            for start in range(0, len(message) if end is None else end, CHUNK):
                writer.write(message[start : start + CHUNK])
                await writer.drain()
            if leaves == "amid data":
                return
            writer.write(b".\r\n")
            await writer.drain()
            if leaves == "after the dot":
                await asyncio.sleep(self._run.chance.choice((0, 0, 0.05, 0.5)))
                return
            code = await _hear(reader)
            assert code < 500
            sent.done = code == 250
            if not sent.done:
                self._run.events["client: told to try later"] += 1
                return
            writer.write(b"QUIT\r\n")
            await _hear(reader)
        finally:
            writer.transport.abort()

    def _leaves(self) -> str:
        if self._run.over or self._run.chance.random() > 0.03 * self._run.trouble:
            return ""
        when = self._run.chance.choice(("amid data", "after the dot"))
        self._run.events[f"client left {when}"] += 1
        return when


async def _hear(reader: asyncio.StreamReader) -> int:
    """The code of one reply."""
    while True:
        line = await reader.readuntil(b"\r\n")
        if line[3:4] != b"-":
            return int(line[:3])


def memory_of(service: Service) -> dict[str, int]:
    """Resident bytes of each process, by its name and id."""
    found = {}
    for name in ("relay-1", "relay-2", "jobs"):
        for pid in service.pids(name):
            status = Path(f"/proc/{pid}/status").read_text()
            resident = re.search(r"VmRSS:\s+(\d+) kB", status)
            if resident is not None:
                found[f"{name} {pid}"] = int(resident[1]) << 10
    return found


async def watch(run: Run, service: Service, seconds: float) -> None:
    """Look at memory a hundred times, and say so ten times."""
    started = time.monotonic()
    for step in range(1, 101):
        await asyncio.sleep(max(0, started + seconds * step / 100 - time.monotonic()))
        run.memory.append((time.monotonic() - started, await asyncio.to_thread(memory_of, service)))
        if step % 10 == 0:
            done = sum(sent.done for sent in run.sent.values())
            sizes = ", ".join(f"{n} {b >> 20} MiB" for n, b in run.memory[-1][1].items())
            print(f"{run.memory[-1][0]:6.0f} s  {done} messages, {run.bytes >> 20} MiB; {sizes}")
    run.over = True


async def soak(run: Run, service: Service, hop: NextHop, seconds: float, clients: int) -> None:
    """All of it at once; returns when every message in hand is done."""
    async with asyncio.TaskGroup() as group:
        group.create_task(watch(run, service, seconds))
        group.create_task(hop.fail_now_and_then())
        for number in range(clients):
            group.create_task(Client(run, service.port, number).work())


def lines_of(log: Path, event: str) -> Iterator[str]:
    """Queue ids of one kind of event."""
    pattern = re.compile(rf"event={event} .*?queue_id=(\w+)")
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = pattern.search(line)
            if match is not None:
                yield match[1]


def kept(service: Service, run: Run) -> None:
    """Count what is in quarantine among what arrived."""
    for folder in service.spool.glob("2*/*/*/*"):
        message = (folder / "message.eml").read_bytes()
        name = re.search(rb"Message-ID: <(\S+)@soak\.example>", message)
        evidence = json.loads((folder / "evidence.json").read_bytes())
        assert name is not None
        digest = hashlib.sha256(message.partition(b"\r\n\r\n")[2]).hexdigest()
        copies = run.arrived[name[1].decode()]
        # What could not be read in time is flagged: passed on, and kept as well.
        if Copy(queue_id=evidence["queue_id"], sha256=digest) not in copies:
            copies.append(Copy(queue_id=evidence["queue_id"], sha256=digest))


def judge(run: Run, service: Service) -> list[str]:
    """What is wrong; nothing, if all is well."""
    log = service.folder / "log"
    risky = set(lines_of(log, "dup_risk"))
    # Where a client repeats a message before its leaving could be written down.
    named = risky | set(lines_of(log, "reply_unread"))
    done = [sent for sent in run.sent.values() if sent.done]
    lost = [sent.name for sent in done if not run.arrived[sent.name]]
    altered = [s.name for s in done if {c.sha256 for c in run.arrived[s.name]} - {s.sha256}]
    twice = {n: copies for n, copies in run.arrived.items() if len(copies) > 1}
    unexplained = {
        name: [copy.queue_id for copy in copies]
        for name, copies in twice.items()
        if sum(copy.queue_id in named for copy in copies) < len(copies) - 1
    }
    quick = sum(sum(c.queue_id in risky for c in them) < len(them) - 1 for them in twice.values())
    undone = [sent.name for sent in run.sent.values() if not sent.done]
    again = sum(1 for _ in lines_of(log, "answered_again"))
    deaths = service.log.count("event=process_died")
    for event, count in sorted(run.events.items()):
        print(f"{count:8} {event}")
    print(
        f"{len(done)} messages taken, {sum(s.held for s in done)} of them held; {len(lost)} lost, "
        f"{len(altered)} altered, {len(undone)} never taken; {len(twice)} came twice, "
        f"{len(unexplained)} of them without a word in the log, {quick - len(unexplained)} with "
        f"reply_unread alone; {len(risky)} dup_risk, "
        f"{again} answered again; {deaths} processes died"
    )
    problems = [f"lost: {name}" for name in lost] + [f"altered: {name}" for name in altered]
    problems += [f"never taken: {name}" for name in undone]
    problems += [f"twice, unexplained: {name} {ids}" for name, ids in unexplained.items()]
    problems += [f"{deaths} processes died"] * bool(deaths)
    return problems + list(grown(run))


def grown(run: Run) -> Iterator[str]:
    """Processes whose memory in the last quarter is above that in the second."""
    quarter = len(run.memory) // 4
    for name in run.memory[-1][1]:
        series = [sizes.get(name, 0) for _, sizes in run.memory]
        early = statistics.median(series[quarter : 2 * quarter])
        late = statistics.median(series[-quarter:])
        print(
            f"{name}: median {early / 2**20:.0f} MiB in the second quarter, {late / 2**20:.0f} in"
            f" the last, most {max(series) / 2**20:.0f}"
        )
        if late - early > ROOM:
            yield f"memory of {name} grew from {early:.0f} to {late:.0f} bytes"


async def run_all(arguments: argparse.Namespace, folder: Path) -> list[str]:
    run = Run(chance=random.Random(arguments.seed), trouble=arguments.trouble)
    hop = NextHop(run)
    await hop.start()
    cache = Path(arguments.cache) if arguments.cache else folder / "cache"
    service = Service(
        folder=folder / "mailguard", next_hop=hop.port, cache=cache, workers=arguments.workers
    )
    await asyncio.to_thread(service.start)
    try:
        await soak(run, service, hop, arguments.minutes * 60, arguments.clients)
        # A message whose client has left may still be under way.
        await asyncio.sleep(3)
    finally:
        status = await asyncio.to_thread(service.stop)
        await hop.stop()
    kept(service, run)
    problems = judge(run, service)
    return problems if status == 0 else [*problems, f"the service ended with {status}"]


def main() -> int:
    """Run, report, and say by the exit status whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trouble", type=float, default=1, help="times as much as usual")
    parser.add_argument("--cache", help="folder for compiled rules, kept")
    parser.add_argument("--keep", action="store_true", help="leave log and quarantine behind")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mailguard-soak-", dir="/var/tmp"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        problems = runner.run(run_all(arguments, folder))
    for problem in problems[:50]:
        print(problem)
    if arguments.keep or problems:
        print(f"kept: {folder}")
    else:
        shutil.rmtree(folder)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
