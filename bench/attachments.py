"""Read every attachment of a corpus in the cage: by format what was read, what not, how fast.

    python bench/attachments.py FOLDER

Prints a table; exit status 1 when a caged process was killed or a reader took its whole time.
"""

import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from mailguard.extract.cage import Cage
from mailguard.extract.found import Opened, Reading
from mailguard.extract.item import About

BAD = {"killed", "timeout", "engine"}


def main(folder: Path) -> int:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    cage = Cage()
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
    worst: list[tuple[float, Path]] = []
    bad = []
    for file in files:
        data = file.read_bytes()
        started = time.perf_counter()
        reading = cage.read(data, About(name=file.name))
        took = time.perf_counter() - started
        cage.renew()
        kind = _kind(reading)
        rows[kind].update(
            {"files": 1, "bytes": len(data), "us": int(took * 1e6), _state(reading): 1}
        )
        reasons[kind].update(reading.misses)
        worst.append((took, file))
        if not BAD.isdisjoint(reading.misses):
            bad.append((file, reading.misses))
    cage.close()
    print(f"{'reader':24}{'files':>6}{'read':>6}{'partly':>7}{'not':>5}{'MB/s':>8}  why not")
    for kind, row in sorted(rows.items()):
        speed = row["bytes"] / max(1, row["us"])
        why = ", ".join(f"{reason} {count}" for reason, count in reasons[kind].most_common())
        print(
            f"{kind:24}{row['files']:6}{row['read']:6}{row['partly']:7}{row['not']:5}"
            f"{speed:8.1f}  {why}"
        )
    for took, file in sorted(worst, reverse=True)[:5]:
        print(f"slowest: {took * 1000:8.1f} ms  {file.relative_to(folder)}")
    for file, misses in bad:
        print(f"BAD: {', '.join(misses)}  {file.relative_to(folder)}")
    return 1 if bad else 0


def _kind(reading: Reading) -> str:
    first = next((each for each in reading.found if isinstance(each, Opened)), None)
    return (first.reader or first.sniffed) if first else "none"


def _state(reading: Reading) -> str:
    if not reading.misses:
        return "read"
    return "partly" if reading.text or reading.names else "not"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
