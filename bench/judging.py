"""What judging a message costs beside parsing it with the standard library's `email`.

    python bench/judging.py [--corpus FOLDER] [--rounds N]

Without a corpus it makes messages up: plain mail, HTML from mail programs, a newsletter, a long
thread. With one it judges every file below the folder, and prints means by the first two levels of
folders. Of each it prints CPU time: `email`'s parse alone, then our parse, look and scan with the
rules that are shipped, and what all three are to `email`'s. Attachments are not unpacked.
Nothing of a message is printed.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from email.parser import BytesParser
from functools import partial
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import NamedTuple

from mailguard.mail.message import parse
from mailguard.mail.text import look
from mailguard.scan.registry import Ruleset
from mailguard.scan.scanner import scan
from mailguard.service.load import load_ruleset
from mailguard.testing import SCHOOL, transaction

HEAD = (
    b"Received: from a.example (a.example [192.0.2.1]) by mx.example with ESMTPS id 1\r\n"
    b"\tfor <ben@elmpark.example>; Mon, 02 Mar 2026 08:00:00 +0000\r\n"
) * 3 + (
    b"From: Ana Finch <ana@elmpark.example>\r\nTo: Ben <ben@elmpark.example>\r\n"
    b"Subject: Trip on Friday\r\nDate: Mon, 02 Mar 2026 08:00:00 +0000\r\n"
    b"Message-ID: <1@elmpark.example>\r\nMIME-Version: 1.0\r\n"
)
PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
PAGE = b"Content-Type: text/html; charset=utf-8\r\n\r\n"
BOTH = b'Content-Type: multipart/alternative; boundary="xyz"\r\n\r\n'
LINE = b"Dear all, the coach leaves at nine, please bring a packed lunch and a coat.\r\n"
SENTENCE = "Dear all, the coach leaves at nine; bring a packed lunch, a coat and £5.\r\n".encode()

OFFICE = (
    b"<html><head><style><!--\r\n@font-face {font-family:Calibri;}\r\n"
    b"p.MsoNormal, li.MsoNormal {margin:0cm; font-size:11.0pt; font-family:Calibri;}\r\n"
    b"a:link {color:#0563C1; text-decoration:underline;}\r\n--></style></head>\r\n"
    b'<body lang=EN-GB link="#0563C1"><div class=WordSection1>\r\n'
)
PARAGRAPH = (
    b"<p class=MsoNormal><span style='font-size:11.0pt;color:#1F497D'>"
    + SENTENCE
    + b"<o:p></o:p></span></p>\r\n"
)
SHEET = (
    b"<html><head><style>body{margin:0;background:#eeeeee} .b{color:#ffffff}"
    b" @media (max-width:600px){.desktop{display:none !important} td{padding:0}}</style></head>"
    b'<body bgcolor="#eeeeee"><div style="display:none;max-height:0">News of this week'
    + "\u200c\u00a0".encode() * 60
    + b"</div>\r\n"
)
CELL = (
    b'<table width="100%%" cellpadding="0"><tr><td style="padding:10px;background:#ffffff">'
    b'<a href="https://news.example/%d"><img src="https://news.example/%d.png" alt="Photo %d">'
    b'</a></td><td style="font:14px/1.5 Arial;color:#333333"><h3>Story %d</h3><p>'
    + SENTENCE
    + b'</p><a class="b" href="https://news.example/%d" style="background:#003366">Read on</a>'
    b"</td></tr></table>\r\n"
)
LIMIT = 20 << 20
STEPS = ("email", "parse", "look", "scan")


class Cost(NamedTuple):
    """CPU seconds for one message."""

    email: float
    parse: float
    look: float
    scan: float


def make_messages() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of what most mail looks like."""
    page = OFFICE + PARAGRAPH * 8 + b"</div></body></html>\r\n"
    cells = b"".join(CELL % ((n,) * 5) for n in range(40))
    thread = b"".join(
        b"> " * depth + line
        for depth in range(1, 13)
        for line in (b"On Mon, 2 Mar 2026 Ben wrote:\r\n", *([LINE] * 20))
    )
    yield "plain, 4 KB", HEAD + PLAIN + LINE * 40
    yield "page of a mail program", HEAD + PAGE + page
    yield (
        "plain and such a page",
        HEAD + BOTH + b"--xyz\r\n" + PLAIN + SENTENCE * 8 + b"--xyz\r\n" + PAGE + page + b"--xyz--",
    )
    yield "newsletter", HEAD + PAGE + SHEET + cells + b"</body></html>\r\n"
    yield "long thread", HEAD + PLAIN + LINE * 5 + thread


def measure(raw: bytes, ruleset: Ruleset, rounds: int) -> Cost:
    """The best of several rounds of each step."""
    known = transaction()
    message = parse(raw)
    return Cost(
        email=best_of(repeat(lambda: BytesParser().parsebytes(raw), rounds)),
        parse=best_of(repeat(lambda: parse(raw), rounds)),
        look=best_of(repeat(lambda: look(message), rounds)),
        # A new view each time, for it remembers the way back to the original.
        scan=best_of(partial(scan, look(message), known, ruleset) for _ in range(rounds)),
    )


def best_of(works: Iterable[Callable[[], object]]) -> float:
    """CPU seconds of the fastest of these."""
    best = float("inf")
    for work in works:
        start = process_time()
        work()
        best = min(best, process_time() - start)
    return best


def show(name: str, size: int, count: int, cost: Cost) -> None:
    """Print one row: microseconds, and in brackets how many times `email`'s parse that is."""
    total = cost.parse + cost.look + cost.scan
    steps = "".join(f"{s * 1e6:8.0f} ({s / cost.email:4.2f})" for s in (*cost[1:], total))
    print(f"{name:36}{count:7}{size:10}{cost.email * 1e6:8.0f}{steps}")


def read_corpus(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the first two folders' names and the bytes of each file."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.stat().st_size <= LIMIT:
            raw = file.read_bytes()
            if raw.startswith(b"From "):
                raw = raw.partition(b"\n")[2]
            yield "/".join(file.relative_to(folder).parts[:-1][:2]) or ".", raw


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--rounds", type=int)
    options = parser.parse_args()
    if options.corpus is not None and not options.corpus.is_dir():
        parser.error(f"there is no folder {options.corpus}")
    with TemporaryDirectory() as cache:
        ruleset = load_ruleset(school=SCHOOL, cache=Path(cache)).ruleset
    print(
        f"{'CPU µs, and as part of email':36}{'files':>7}{'bytes':>10}{'email':>8}"
        + "".join(f"{step:>15}" for step in (*STEPS[1:], "sum"))
    )
    if options.corpus is None:
        for name, raw in make_messages():
            show(name, len(raw), 1, measure(raw, ruleset, options.rounds or 50))
        return
    costs: defaultdict[str, list[Cost]] = defaultdict(list)
    sizes: defaultdict[str, int] = defaultdict(int)
    for group, raw in read_corpus(options.corpus):
        for name in (group, "all"):
            sizes[name] += len(raw)
        cost = measure(raw, ruleset, options.rounds or 3)
        for name in (group, "all"):
            costs[name].append(cost)
    for name in sorted(costs, key=lambda name: (name == "all", name)):
        few = costs[name]
        mean = Cost(*(sum(each) / len(few) for each in zip(*few, strict=True)))
        show(name, sizes[name] // len(few), len(few), mean)


if __name__ == "__main__":
    main()
