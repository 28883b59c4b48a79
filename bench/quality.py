"""How well MailGuard judges: what it finds, what it takes for something else, and what it costs.

usage: quality.py personal-data [--corpus FOLDER] [--presidio] [--seed N] [--letters N] [--most N]

Builds a labelled set of some 3,500 messages and documents, judges each as the relay would, and
prints recall and precision by identifier and by carrier; with `--corpus`, how many of 1,000
ordinary messages raise an alarm; with `--presidio`, the same figures for Presidio. An alarm is
data for which a message from staff to somebody outside is at least flagged by default. Nothing of
a message is printed.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from email import message_from_bytes
from pathlib import Path
from random import Random
from time import process_time
from typing import TYPE_CHECKING

from mailguard.extract.cage import Cage
from personal_data import tables
from personal_data.ham import read_ham
from personal_data.judged import judge_sample
from personal_data.labelled import build_set
from personal_data.outcome import Outcome
from personal_data.school import OUTSIDE, Place, found_school

if TYPE_CHECKING:
    from personal_data.presidio import Presidio

CACHE = Path(__file__).parents[1] / ".cache" / "rules"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("matter", choices=["personal-data"])
    parser.add_argument("--corpus", type=Path, help="a folder with folders of ham")
    parser.add_argument("--presidio", action="store_true", help="needs the extra `quality`")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--letters", type=int, default=1000, help="ordinary ones in the set")
    parser.add_argument("--most", type=int, default=10**9, help="messages of each folder of ham")
    options = parser.parse_args()
    if options.corpus and not options.corpus.is_dir():
        parser.error(f"there is no folder {options.corpus}")
    presidio, theirs = _prepare(parser) if options.presidio else (None, tables.Theirs())
    place = found_school(Random(options.seed), CACHE)
    cage = Cage()
    try:
        outcomes = list(_judge_set(place, cage, presidio, options.seed, options.letters))
        folders = _judge_ham(options.corpus, options.most, place, cage, presidio)
    finally:
        cage.close()
    _print(outcomes, folders, theirs)


def _prepare(parser: argparse.ArgumentParser) -> "tuple[Presidio, tables.Theirs]":
    try:
        from personal_data import presidio
    except ImportError:
        parser.error("Presidio is not installed; pip install '.[quality]' brings it")
    theirs = tables.Theirs(
        known=presidio.KNOWN, strong=presidio.STRONG, thresholds=presidio.THRESHOLDS
    )
    return presidio.Presidio(), theirs


def _judge_set(
    place: Place, cage: Cage, presidio: "Presidio | None", seed: int, letters: int
) -> Iterator[Outcome]:
    for n, sample in enumerate(build_set(seed, place.pupils, letters)):
        _show_progress("the set", n)
        judged = judge_sample(sample.raw, sample.to, place, cage)
        found, _ = presidio.find(judged.text) if presidio else ({}, 0.0)
        yield Outcome(sample=sample, judged=judged, theirs=found)


def _judge_ham(
    corpus: Path | None, most: int, place: Place, cage: Cage, presidio: "Presidio | None"
) -> Mapping[str, tables.Folder]:
    folders: defaultdict[str, tables.Folder] = defaultdict(tables.Folder)
    for n, (name, raw) in enumerate(read_ham(corpus) if corpus else ()):
        folder = folders[name]
        if folder.messages == most:
            continue
        _show_progress("ordinary mail", n)
        judged = judge_sample(raw, (OUTSIDE,), place, cage)
        folder.messages += 1
        folder.alarms += judged.is_alarm
        folder.symbols.update(judged.alarming)
        folder.parse_s += judged.parse_s
        folder.judge_s += judged.judge_s
        begin = process_time()
        message_from_bytes(raw)
        folder.mail_s += process_time() - begin
        if presidio:
            _add_theirs(folder, presidio, judged.text)
    return folders


def _add_theirs(folder: tables.Folder, presidio: "Presidio", text: str) -> None:
    from personal_data.presidio import STRONG, THRESHOLDS

    found, seconds = presidio.find(text)
    folder.their_s += seconds
    best = max((score for entity, score in found.items() if entity in STRONG), default=-1.0)
    folder.their_alarms.update(t for t in THRESHOLDS if best >= t)


def _print(
    outcomes: Sequence[Outcome], folders: Mapping[str, tables.Folder], theirs: tables.Theirs
) -> None:
    positive = sum(outcome.is_positive for outcome in outcomes)
    print(f"{len(outcomes)} messages: {positive} with data in them, the rest without")
    for title, lines in (
        ("By identifier", tables.by_kind(outcomes, theirs)),
        ("By carrier", tables.by_carrier(outcomes, theirs)),
        ("Innocent messages of our own making", tables.innocent(outcomes, theirs)),
        ("Ordinary mail", tables.by_folder(folders, theirs) if folders else ()),
        ("Presidio's threshold", tables.by_threshold(outcomes, folders, theirs)),
        ("Cost per message", tables.costs(outcomes, folders)),
    ):
        if title != "Presidio's threshold" or theirs.known:
            print(f"\n{title}", *lines, sep="\n")


def _show_progress(what: str, n: int) -> None:
    if n % 100 == 0 and sys.stderr.isatty():
        print(f"\r{what}: {n} ", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
