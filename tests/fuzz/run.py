"""Run one target under atheris: ``python tests/fuzz/run.py smtp_session SECONDS [FOLDER]``.

FOLDER keeps what was found interesting; the next run goes on from there. An input that breaks the
target is written beside it, and its name printed.
"""

import logging
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["mailguard"]):
    import reading
    import targets
    from samples import SAMPLES

from mailguard import logs

TARGETS = {**targets.TARGETS, **reading.TARGETS}
LENGTHS = {"smtp_session": 700, "fold": 400, "readers_in_c": 40_000}
"""Bytes of the longest input, where more would only be slow."""


def main(name: str, seconds: str, folder: str = "") -> None:
    """Does not return: libFuzzer ends the process."""
    logs.configure(level="critical")
    logging.disable(logging.CRITICAL)
    corpus = Path(folder or tempfile.mkdtemp()) / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(SAMPLES[name]):
        (corpus / f"sample-{number}").write_bytes(sample)
    options = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048"]
    options.append(f"-max_len={LENGTHS.get(name, 6000)}")
    artifacts = f"-artifact_prefix={corpus.parent}/{name}-"
    atheris.Setup(
        [sys.argv[0], *options, artifacts, "-print_final_stats=1", str(corpus)], TARGETS[name]
    )
    atheris.Fuzz()


main(*sys.argv[1:])
