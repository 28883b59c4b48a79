"""What parsing costs beside the standard library's `email`, and what the union of views adds.

usage: parse.py [--corpus FOLDER] [--rounds N]

Without a corpus it makes four messages up. With one it parses every file below the folder, and
counts by the first two levels of folders how many are `mime_ambiguous` and how many have parts that
only other readers see. Nothing of a message is printed.
"""

import argparse
import base64
import os
from collections import Counter
from collections.abc import Callable, Iterator
from email.parser import BytesParser
from pathlib import Path
from time import process_time
from unittest.mock import patch

from mailguard.mail import message as module
from mailguard.mail.message import parse

HEAD = (
    b"Received: from a.example (a.example [192.0.2.1]) by mx.example with ESMTPS id 1\r\n"
    b"\tfor <ben@elmpark.example>; Mon, 02 Mar 2026 08:00:00 +0000\r\n"
) * 3 + (
    b"From: Ana Finch <ana@elmpark.example>\r\nTo: Ben <ben@elmpark.example>\r\n"
    b"Subject: Trip on Friday\r\nDate: Mon, 02 Mar 2026 08:00:00 +0000\r\n"
    b"Message-ID: <1@elmpark.example>\r\nMIME-Version: 1.0\r\n"
)
LINE = b"Dear all, the coach leaves at nine, please bring a packed lunch and a coat.\r\n"
LIMIT = 20 << 20


def make_messages() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes: the shapes that make up most mail, and one that is doubtful."""
    plain = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    quoted = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    mixed = b'Content-Type: multipart/mixed; boundary="xyz"\r\n\r\n'
    file = base64.encodebytes(os.urandom(3 << 20)).replace(b"\n", b"\r\n")
    coded = b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    yield "plain, 4 KB", HEAD + plain + LINE * 40
    yield (
        "plain and HTML, 7 KB",
        HEAD
        + mixed.replace(b"mixed", b"alternative")
        + b"--xyz\r\nContent-Type: text/plain; charset=utf-8\r\n"
        + quoted
        + LINE * 30
        + b"--xyz\r\nContent-Type: text/html; charset=utf-8\r\n"
        + quoted
        + b'<p style=3D"x">'.join([LINE] * 40)
        + b"--xyz--\r\n",
    )
    yield (
        "attachment, 4 MB",
        HEAD + mixed + b"--xyz\r\n" + plain + LINE + b"--xyz\r\n" + coded + file + b"--xyz--\r\n",
    )
    yield (
        "doubtful, 7 KB",
        HEAD
        + mixed.replace(b"\r\n\r\n", b"; boundary=abc\r\n\r\n")
        + (b"--xyz\r\n" + plain + LINE * 40)
        + (b"--abc\r\n" + plain + LINE * 40)
        + b"--xyz--\r\n",
    )


def measure(work: Callable[[bytes], object], raw: bytes, rounds: int) -> float:
    """CPU seconds for one message: the best of several rounds."""
    times = max(1, 2_000_000 // len(raw) // 4)
    best = 1e9
    for _ in range(rounds):
        start = process_time()
        for _ in range(times):
            work(raw)
        best = min(best, (process_time() - start) / times)
    return best


def compare(rounds: int) -> None:
    """Print one line for each message that is made up."""
    print(f"{'':22}{'email':>10}{'strict':>10}{'union':>10}   union/strict   email/union")
    for name, raw in make_messages():
        library = measure(BytesParser().parsebytes, raw, rounds)
        with patch.object(module, "read_more", lambda *_: ()):
            strict = measure(parse, raw, rounds)
        union = measure(parse, raw, rounds)
        print(
            f"{name:22}{library * 1e6:8.0f}µs{strict * 1e6:8.0f}µs{union * 1e6:8.0f}µs"
            f"{union / strict:13.2f}{library / union:14.2f}"
        )


def count(folder: Path) -> None:
    """Print one line for each sub-folder of `folder`."""
    seen: Counter[str] = Counter()
    ambiguous: Counter[str] = Counter()
    extra: Counter[str] = Counter()
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.stat().st_size > LIMIT:
            continue
        raw = file.read_bytes()
        if raw.startswith(b"From "):
            raw = raw.partition(b"\n")[2]
        group = "/".join(file.relative_to(folder).parts[:-1][:2])
        message = parse(raw)
        seen[group] += 1
        ambiguous[group] += any(item.reason == "mime_ambiguous" for item in message.unread)
        extra[group] += any("~" in part.number for part in message.parts)
    print(f"{'folder':44}{'messages':>9}{'ambiguous':>11}{'with more parts':>17}")
    for group, total in sorted(seen.items()):
        print(f"{group:44}{total:9}{ambiguous[group]:11}{extra[group]:17}")
    print(f"{'all':44}{seen.total():9}{ambiguous.total():11}{extra.total():17}")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if options.corpus is None:
        compare(options.rounds)
    elif options.corpus.is_dir():
        count(options.corpus)
    else:
        parser.error(f"there is no folder {options.corpus}")


if __name__ == "__main__":
    main()
