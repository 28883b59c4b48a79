"""What a format reader is told about a file, and what it may answer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a file before it is opened. All of it is the sender's word but `sniffed`."""

    name: str = ""
    """Its name, ``""`` if none. Data, never a path."""

    declared: str = ""
    """Media type that the sender gave, in lower case, ``""`` if none."""

    sniffed: str = ""
    """Media type by content (:func:`mailguard.extract.sniff.sniff`), ``""`` if unknown."""

    passwords: tuple[str, ...] = ()
    """Words of the message that may open an encrypted file, likeliest first."""

    room: int = 64 << 20
    """Bytes that are still taken of what is inside. Who unpacks stops there, and says so by
    ``Miss(beyond)``."""

    beyond: str = "too_long"
    """Why no more than `room` is taken: ``too_long``, or ``bomb`` where it is the ratio."""

    pictures: float = 0.0
    """Seconds of processor time for reading what pictures in it show; 0: they are not read."""

    is_again: bool = False
    """Whether a process has died of the file already: what may have killed it is left alone."""


@dataclass(frozen=True, slots=True)
class Text:
    """A run of text, as a person who opens the file could see it."""

    where: str
    """``""`` for the body, else the place in plain words: ``comment``, ``sheet Pupils``."""

    text: str


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside the file. The driver reads it in turn, and sees to depth, count and bytes."""

    name: str
    data: bytes
    declared: str = ""


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a file inside that is not read; it is looked at as text."""

    name: str


@dataclass(frozen=True, slots=True)
class Miss:
    """Something was not, or not wholly, read."""

    reason: str
    """A stable snake_case word, as in :class:`mailguard.mail.message.Unread`."""


@dataclass(frozen=True, slots=True)
class Feature:
    """What the file is or does besides showing text, e.g. ``macros``, ``hidden``, ``rows:240``.
    ``empty`` vouches for a file with nothing in it; of any other some text or miss is expected.

    ``rows:N`` is said once for each table or sheet (csv, tsv, xls, xlsx, xlsb, ods; tables in web
    pages, Word files, slides and OpenDocument text; the records of JSON, XML, calendars, cards).
    N is two or more. It counts rows with something in them, hidden ones too and repeated ones as
    often as they come, but for a heading: a first row of two or more cells none of which is a
    number or date. Text of a table is a line for each row, heading first and hidden cells in their
    places; one tab parts cells, empty ones between others are kept, and white space in a cell is
    one blank. Long ones come as several Texts of the same `where`. Where something hidden stands
    between what is shown, ``shown cells of ...`` has the lines without it."""

    word: str


Item = Text | Member | Name | Miss | Feature
