"""What was found in one attachment, file by file, and the limits of looking for it."""

from dataclasses import dataclass

REASONS = frozenset(
    {
        "audio",
        "bomb",
        "broken",
        "encrypted",
        "external",
        "format",
        "header_too_big",
        "image",
        "mime_ambiguous",
        "partial",
        "timeout",
        "too_deep",
        "too_long",
        "too_many_parts",
        "transfer_encoding",
        "video",
    }
)
"""Why a caged reader may say that something was missed. These words reach logs and metrics, where
nothing that stands in a message may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What reading one attachment may use up, whatever it says of itself."""

    depth: int = 5
    """Files inside files. A letter in a folder in a forwarded mail in an archive is 3."""

    members: int = 1000
    """Files inside, at all depths: as many as parts in a message."""

    bytes_out: int = 200 << 20
    """Bytes of all of them together: as much as the largest message."""

    ratio: int = 100
    """Bytes out for each byte in, once they are more than `ratio_from`. Office files reach 20, and
    deflate ends at 1,030."""

    ratio_from: int = 10 << 20

    text: int = 2 << 20
    """Characters of text: as many as a view takes."""

    seconds: float = 10.0
    """Of processor time, after which what is there is the answer."""

    pictures: float = 0.0
    """Seconds of processor time that a caged process, which reads all files of a message, has used
    when it stops reading what pictures show; 0: it never begins. Less than `seconds`, so that what
    is no picture is read whatever there is to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file that was looked at."""

    path: str
    """Where it is: ``letters.zip/class.docx``. For people; names may hold anything."""

    declared: str
    sniffed: str
    size: int
    reader: str
    """The readers that know it: ``pdf``, ``pdf, zip`` for both, ``table or text`` where the second
    is asked if the first cannot open it; ``""`` if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Text that was found."""

    path: str
    where: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The name of a file inside."""

    path: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Something was not, or not wholly, read."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """A :class:`mailguard.extract.item.Feature`, and of which file."""

    path: str
    word: str


Found = Opened | Piece | Named | Missed | Trait

TABLES = 1000
"""Tables of one attachment whose rows are told; a report on each pupil of a school has as many."""

_ROWS = "rows:"

_OVERHEAD = 200
"""What each thing found takes besides its path and text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that was found in one attachment, in the order in which it was found."""

    found: tuple[Found, ...] = ()

    @property
    def text(self) -> str:
        """All text; a blank line between what comes from different places."""
        return "\n\n".join(each.text for each in self.found if isinstance(each, Piece))

    @property
    def size(self) -> int:
        """How much it is to keep: about so many characters."""
        return sum(
            _OVERHEAD + len(each.path) + (len(each.text) if isinstance(each, Piece) else 0)
            for each in self.found
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all files inside."""
        return tuple(each.name for each in self.found if isinstance(each, Named))

    @property
    def misses(self) -> tuple[str, ...]:
        """Why something was not read, each reason once."""
        return tuple(dict.fromkeys(e.reason for e in self.found if isinstance(e, Missed)))

    @property
    def features(self) -> tuple[str, ...]:
        """What the file and those inside it are or do, each word once; but ``rows:`` once for each
        table, in their order, as far as :data:`TABLES`."""
        words = [each.word for each in self.found if isinstance(each, Trait)]
        tables = [word for word in words if word.startswith(_ROWS)][:TABLES]
        others = dict.fromkeys(word for word in words if not word.startswith(_ROWS))
        return (*others, *tables)
