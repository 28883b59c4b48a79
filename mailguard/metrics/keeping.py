"""Where figures are kept: by each process in files of its own, in a folder that all share.

A process that is started again goes on with its figures, and whoever serves them adds them up.
"""

import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mailguard.metrics.catalogue import CATALOGUE, LEDGER_LOST, Kind, Metric

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client import Metric as LibraryMetric

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
"""Seconds: an ordinary message is judged within two milliseconds; 80 s is the longest answer."""

_ROOM = {
    "counter": 1 << 20,
    "histogram": 1 << 18,
    "gauge_mostrecent": 1 << 17,
    "gauge_livesum": 1 << 16,
}
"""Bytes of each file. They are allocated beforehand: writing to a mapped file on a full disk would
end the process (SIGBUS)."""

_MOST_SERIES = 2500
"""Kept by one process: as many as fit into its files. Further ones are not counted."""


_live: dict[str, Any] = {}
"""The library's metrics by name; empty while nobody wants figures."""

_series: dict[tuple[str, ...], Any] = {}
_process = ""
_folder = Path()


def configure(folder: Path, process: str) -> None:
    """Begin to keep figures in `folder`, as the process of this name; before anything is forked.

    Removes what processes of an earlier run have left there, but for those of the other part of the
    service, if it is one that runs as a part. Raises OSError when the folder cannot be used.
    """
    global _folder, _process
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _folder, _process = folder, process
    for file in folder.glob("*.db"):
        if _is_ours(file.stem.rpartition("_")[2], process):
            file.unlink(missing_ok=True)
    _allocate()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    import prometheus_client as library
    from prometheus_client import values as library_values

    # The name and not the process id: a worker that is started again goes on where it was.
    # The type is wrong in the library, which documents this use of it.
    library_values.ValueClass = library_values.MultiProcessValue(lambda: _process)  # type: ignore[no-untyped-call]
    for metric in CATALOGUE:
        common: dict[str, Any] = {
            "name": metric.name,
            "documentation": metric.says,
            "labelnames": metric.labels,
            "registry": None,
        }
        match metric.kind:
            case Kind.COUNTER:
                made: Any = library.Counter(**common)
            case Kind.HISTOGRAM:
                made = library.Histogram(**common, buckets=_BUCKETS)
            case _:
                made = library.Gauge(**common, multiprocess_mode=cast(Any, metric.kind.value))
        _live[metric.name] = made
        for values in [(value,) for value in metric.zeroes] if metric.labels else [()]:
            series_of(metric, *values)


def become(process: str) -> None:
    """In a process just forked: keep figures under this name. Without figures does nothing.

    Raises OSError when it cannot; there are no figures of this process then.
    """
    global _process
    if not _live:
        return
    _process = process
    try:
        _allocate()
        # The library opens the files of the new name now, and not in the middle of a message.
        _live[LEDGER_LOST.name].inc(0)
    except (OSError, RuntimeError) as error:
        stop()
        raise OSError(f"{type(error).__name__} for the files of {process}") from error


def stop() -> None:
    """Keep no more figures in this process."""
    _live.clear()
    _series.clear()


def is_on() -> bool:
    """Whether figures are kept."""
    return bool(_live)


def registry() -> "CollectorRegistry":
    """All figures of all processes, added up each time they are asked for."""
    from prometheus_client import CollectorRegistry

    made = CollectorRegistry(auto_describe=False)
    made.register(_Everything())
    return made


class _Everything:
    """The library's own collector fails as a whole for one file that is gone or damaged."""

    def collect(self) -> "Iterable[LibraryMetric]":
        files = sorted(str(file) for file in _folder.glob("*.db"))
        merged = _merge(files)
        if merged is None:
            merged = _merge([file for file in files if _merge([file]) is not None])
        return merged or ()


def _merge(files: list[str]) -> "Iterable[LibraryMetric] | None":
    from prometheus_client.multiprocess import MultiProcessCollector

    try:
        merged: Iterable[LibraryMetric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError, ValueError, KeyError, struct.error):
        return None
    return merged


def process_name() -> str:
    """Under which this process keeps its figures."""
    return _process


def forget_sums(process: str) -> None:
    """Remove what was true of a process while it lived."""
    if _live:
        with suppress(OSError):
            (_folder / f"gauge_{Kind.SUM}_{process}.db").unlink(missing_ok=True)


def add(metric: Metric, *values: str, by: float = 1) -> None:
    """Count."""
    if (series := series_of(metric, *values)) is not None:
        series.inc(by)


def put(metric: Metric, value: float, *values: str) -> None:
    """Set a gauge."""
    if (series := series_of(metric, *values)) is not None:
        series.set(value)


def series_of(metric: Metric, *values: str) -> Any:
    """The series with these label values; None when no figures are kept, or too many."""
    if not _live:
        return None
    key = (metric.name, *values)
    series = _series.get(key)
    if series is None and len(_series) < _MOST_SERIES:
        whole = _live[metric.name]
        series = _series[key] = whole.labels(*values) if values else whole
    return series


def _is_ours(owner: str, process: str) -> bool:
    """Whether the files of `owner` are those of the part that `process` supervises."""
    if process == "service" or owner == "service":
        return True
    part = process.partition("-")[2]
    return owner == process or owner.partition("-")[0] == part


def _allocate() -> None:
    for kind, size in _ROOM.items():
        file = _folder / f"{kind}_{_process}.db"
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)
