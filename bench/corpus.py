"""Send every file of a corpus through all that `mailguard scan` does, and account for each byte.

    python bench/corpus.py FOLDER [FOLDER...]

What is a message is judged as one, an mbox letter by letter; any other file as the attachment of a
message of our own. Then, by format: how many files were read, partly or not, why not, how fast, and
which took longest. Exit status 1 when something

* crashed, or took longer than the budget of a message;
* killed the process that read it, or that took its whole time;
* was lost: a part with text that is neither in the view nor among what was not read, or a file that
  no reader knows and no miss tells of.

A file in which nothing was found, nothing was missed, and of which no reader vouches that there is
nothing, is listed as empty: white space, or a fault of the reader's.

Paths are printed, never content.
"""

import argparse
import math
import re
import signal
import sys
import time
import traceback
from base64 import encodebytes
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from urllib.parse import quote

from mailguard import logs
from mailguard.cli.envelope import Given, compose_transaction
from mailguard.cli.mailbox import Unreadable, read_messages
from mailguard.cli.ruleset import load_rules
from mailguard.config import Config
from mailguard.extract.cage import Cage
from mailguard.extract.found import Found, Opened, Reading, Trait
from mailguard.extract.item import About
from mailguard.extract.reading import EMPTY
from mailguard.extract.unpack import unpack
from mailguard.extract.worker import UNPACKING
from mailguard.mail.charset import read_text
from mailguard.mail.fold import fold
from mailguard.mail.html import read_html
from mailguard.mail.message import Part, parse
from mailguard.mail.text import MessageView, Where, look
from mailguard.policy.judge import conclude
from mailguard.scan.scanner import scan
from mailguard.service.load import load_policy, school_of, unpacking_of

SHOWN = 50
"""Paths of one kind that are listed."""

KILLED = {"killed", "engine", "timeout"}

_FIELDS = re.compile(
    rb"^(?:from|to|subject|date|received|return-path|message-id|mime-version"
    rb"|content-type|delivered-to|x-[a-z-]+)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_BEGIN = re.compile(rb"(?:From [^\n]*\n|\s*[!-9;-~]+[ \t]*:)")
_HEAD = 2048
_LETTER = (
    "From: Ana <ana@elmpark.example>\r\nTo: Ben <ben@elmpark.example>\r\nSubject: a file\r\n"
    "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
    "Content-Disposition: attachment; filename*=utf-8''{name}\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\n"
)


@dataclass(slots=True)
class Row:
    """What became of the files of one format."""

    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    size: int = 0
    seconds: float = 0.0

    def add(self, state: str, reasons: set[str], size: int, seconds: float) -> None:
        self.states[state] += 1
        self.reasons.update(reasons)
        self.size += size
        self.seconds += seconds

    def line(self) -> str:
        why = ", ".join(f"{reason} {count}" for reason, count in self.reasons.most_common())
        counts = (self.states.total(), *(self.states[s] for s in ("read", "partly", "not")))
        speed = self.size / 1e6 / max(self.seconds, 1e-6)
        return "{:7}{:7}{:7}{:7}".format(*counts) + f"{speed:9.1f}  {why}"


class WatchedCage(Cage):
    """A cage that remembers what it read for the message at hand, and how long that took."""

    def __init__(self, config: Config) -> None:
        super().__init__(unpacking_of(config))
        self.readings: list[tuple[int, float, Reading]] = []

    def read(
        self,
        data: bytes,
        about: About,
        seconds: float | None = None,
        deadline: float = math.inf,
    ) -> Reading:
        started = time.perf_counter()
        reading = super().read(data, about, seconds, deadline)
        self.readings.append((len(data), time.perf_counter() - started, reading))
        return reading


class Hung(Exception):
    """A message took longer than any may."""


class Account:
    """All that is known about a corpus so far."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._school = school_of(config)
        self._policy = load_policy(config)
        self._ruleset = load_rules(config).ruleset
        self._cage = WatchedCage(config)
        self._budget = config.relay.scan_s
        self.rows: defaultdict[str, Row] = defaultdict(Row)
        self.slowest: list[tuple[float, str]] = []
        self.bad: list[tuple[str, str]] = []
        self.empty: list[tuple[str, str]] = []

    def close(self) -> None:
        self._cage.close()

    def judge(self, name: str, content: bytes, kind: str) -> None:
        """Judge one message, and note what became of it and its attachments."""
        started = time.perf_counter()
        signal.alarm(int(self._budget * 2))
        try:
            view = self._look(content)
        except Hung:
            self.bad.append((name, "hangs"))
            return
        except Exception as error:
            # The last frame says where, and nothing of the message.
            at = traceback.extract_tb(error.__traceback__)[-1]
            self.bad.append((name, f"{type(error).__name__} in {Path(at.filename).name}"))
            return
        finally:
            signal.alarm(0)
        took = time.perf_counter() - started
        self.slowest = sorted([*self.slowest, (took, name)], reverse=True)[:5]
        if took > self._budget:
            self.bad.append((name, f"{took:.1f} s"))
        self._note(name, view, kind, len(content), took)

    def _look(self, content: bytes) -> MessageView:
        transaction = compose_transaction(content, Given(), self._school)
        message = parse(content)
        self._cage.readings.clear()
        extracts = unpack(message, self._cage, self._budget * UNPACKING)
        self._cage.renew()
        view = look(message, extracts)
        conclude(scan(view, transaction, self._ruleset), transaction, message, self._policy)
        return view

    def _note(self, name: str, view: MessageView, kind: str, size: int, took: float) -> None:
        if kind == "message":
            state = "read" if not view.unread else "partly" if view.segments else "not"
            self.rows[kind].add(state, {each.reason for each in view.unread}, size, took)
        for length, seconds, reading in self._cage.readings:
            first = next((each for each in reading.found if isinstance(each, Opened)), None)
            form = (first.reader or first.sniffed or "unknown") if first else "none"
            state = "read" if not reading.misses else "not"
            if state == "not" and (reading.text.strip() or reading.names):
                state = "partly"
            self.rows[form].add(state, set(reading.misses), length, seconds)
            if not KILLED.isdisjoint(reading.misses):
                self.bad.append((name, " ".join(sorted(KILLED & set(reading.misses)))))
            for opened, is_lost in _without_answer(reading.found):
                note = f"{opened.reader or opened.sniffed}, {opened.size} bytes"
                (self.bad if is_lost else self.empty).append((name, note))
        self.bad += ((name, f"part {part.number} is lost") for part in _lost(view))


def _without_answer(found: tuple[Found, ...]) -> Iterator[tuple[Opened, bool]]:
    """Files of which nothing is known, and whether that is a loss: nobody looked into it."""
    answered = {
        each.path
        for each in found
        if not isinstance(each, Opened | Trait) or (isinstance(each, Trait) and each.word == EMPTY)
    }
    for each in found:
        if isinstance(each, Opened) and each.size and each.path not in answered:
            yield each, not each.reader


def _lost(view: MessageView) -> Iterator[Part]:
    """Parts with text of which none is in the view, though nothing says that they were not read.

    What other parts say as well is shown once.
    """
    seen = {segment.part for segment in view.segments if segment.where is not Where.FILENAME}
    told = {each.part for each in view.unread}
    files = {each.part for each in view.attachments}
    parts = [part for part in view.message.parts if part.number not in seen | told | files]
    if "" in told or not parts:
        return
    shown = "".join(_squeezed(segment.text) for segment in view.segments)
    for part in parts:
        text = read_text(part.data, part.charset)
        texts = read_html(text) if part.content_type == "text/html" else [text]
        if not all(_squeezed(each) in shown for each in texts):
            yield part


def _squeezed(text: str) -> str:
    """The letters of `text`: quoting takes signs away, and what is alike may differ in spaces."""
    return "".join(filter(str.isalnum, fold(text).text))


def find_messages(file: Path) -> Iterator[tuple[str, bytes, str]]:
    """Yield name, bytes and kind (``message`` or ``file``) of each message that `file` makes."""
    data = file.read_bytes()
    head = data[:_HEAD]
    fields = {match[0].lower() for match in _FIELDS.finditer(head)}
    if file.suffix == ".eml" or (len(fields) > 1 and _BEGIN.match(head)):
        for found in read_messages(file):
            if not isinstance(found, Unreadable):
                yield found.name, bytes(found.content), "message"
        return
    name = quote(file.name.encode("utf-8", "surrogateescape"))
    yield str(file), _LETTER.format(name=name).encode() + encodebytes(data), "file"


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hung


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folders", nargs="+", type=Path)
    folders = options.parse_args().folders
    if missing := [str(folder) for folder in folders if not folder.exists()]:
        print("no such folder:", *missing)
        return 2
    logs.configure(level="critical")
    signal.signal(signal.SIGALRM, _hang)
    account = Account(Config())
    files = messages = 0
    started = time.perf_counter()
    for folder in folders:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            files += 1
            for name, content, kind in find_messages(file):
                messages += 1
                account.judge(name, content, kind)
    account.close()
    print(f"{'format':26}{'files':>7}{'read':>7}{'partly':>7}{'not':>7}{'MB/s':>9}  why not")
    for name, row in sorted(account.rows.items()):
        print(f"{name[:25]:26}{row.line()}")
    for took, name in account.slowest:
        print(f"slowest: {took * 1000:8.1f} ms  {name}")
    for word, notes in (("EMPTY", account.empty), ("BAD", account.bad)):
        for name, note in notes[:SHOWN]:
            print(f"{word}: {note}  {name}")
        if len(notes) > SHOWN:
            print(f"{word}: {len(notes) - SHOWN} more")
    print(
        f"{files} files, {messages} messages, {time.perf_counter() - started:.0f} s; "
        f"{len(account.empty)} empty, {len(account.bad)} bad"
    )
    return 1 if account.bad else 0


if __name__ == "__main__":
    sys.exit(main())
