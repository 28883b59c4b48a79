"""The demo's sample mail: invented people at an invented school."""

import hashlib
from dataclasses import dataclass
from importlib import resources

from mailguard.cli.envelope import Given, compose_transaction
from mailguard.mail.envelope import Origin
from mailguard.scan.school import School

SCHOOL = School(name="Elm Park Primary", domains=frozenset({"elmpark.example"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One message: ``samples/<origin>/<number>-<what-it-is>.eml``."""

    number: int
    title: str
    """What it is, in a few words."""

    origin: Origin
    """Which of the demo's two listeners it is sent to."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    """CRLF line ends, as SMTP wants them."""

    @property
    def sha256(self) -> str:
        """Of the bytes that are sent, in hex."""
        return hashlib.sha256(self.raw).hexdigest()


def load_samples() -> tuple[Sample, ...]:
    """All samples, by number."""
    folder = resources.files("mailguard.cli") / "samples"
    samples = [
        _read(origin, file.name, file.read_bytes())
        for origin in (Origin.INSIDE, Origin.OUTSIDE)
        for file in (folder / origin).iterdir()
    ]
    return tuple(sorted(samples, key=lambda sample: sample.number))


def _read(origin: Origin, name: str, content: bytes) -> Sample:
    number, _, title = name.removesuffix(".eml").partition("-")
    raw = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    envelope = compose_transaction(raw, Given(), SCHOOL).envelope
    return Sample(
        number=int(number),
        title=title.replace("-", " "),
        origin=origin,
        sender=envelope.sender.address,
        recipients=tuple(path.address for path in envelope.recipients),
        raw=raw,
    )
