"""Ordinary mail that others have collected: whatever lies in a folder of ham below a folder."""

import json
from collections.abc import Iterator
from pathlib import Path

LARGEST = 1 << 20
"""Bytes; what is longer would measure the reading of attachments."""

_LISTS = "mail-list-"
"""Archives of mailing lists, which hold nothing but ham."""


def read_ham(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name of the collection and the message, CRLF line ends, for each message that is
    ham by the name of its folder, or by its label in a file of JSON lines."""
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.suffix == ".md":
            continue
        parts = file.relative_to(folder).parts
        if file.suffix == ".jsonl":
            name = "/".join(parts)
            yield from ((name, raw) for raw in _read_lines(file))
        elif _is_ham(parts[:-1]) and file.stat().st_size <= LARGEST:
            yield "/".join(parts[:-1][:3]), _with_crlf(file.read_bytes())


def _is_ham(folders: tuple[str, ...]) -> bool:
    return any("ham" in name.split("-") or name.startswith(_LISTS) for name in folders)


def _read_lines(file: Path) -> Iterator[bytes]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row.get("label") == "ham" and "subject" in row:
                subject = " ".join(row["subject"].split())
                head = f"Subject: {subject}\nContent-Type: text/plain; charset=utf-8\n"
                yield _with_crlf(f"{head}\n{row['text']}\n".encode())


def _with_crlf(raw: bytes) -> bytes:
    if raw.startswith(b"From "):
        raw = raw.partition(b"\n")[2]
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
