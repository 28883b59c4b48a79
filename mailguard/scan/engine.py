"""The only file that knows Vectorscan: compiled patterns, and the one question they answer.

Text is handed over as one byte a character, so every offset is a character's: patterns are ASCII,
and what is not Latin-1 becomes ``?``. Vectorscan's UTF8 flag would cost two to three times the time
to compile, for no other match.
"""

import hashlib
from collections.abc import Sequence

import hyperscan

# SINGLEMATCH: each pattern calls back at most once, however often it occurs (promise 8: bounded).
# No SOM_LEFTMOST: it excludes SINGLEMATCH, and it refuses patterns of three word lists and gaps.
_FLAGS = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL

_DIGEST_BYTES = hashlib.sha256().digest_size


class PatternError(Exception):
    """Vectorscan does not take `pattern`; the text is its reason."""

    def __init__(self, pattern: str, reason: str) -> None:
        self.pattern = pattern
        super().__init__(reason)


class Engine:
    """Compiled patterns, each with a number in `ids`. One thread at a time may ask."""

    def __init__(self, patterns: Sequence[str], compiled: bytes = b"") -> None:
        """Load `compiled` if :meth:`dump` made it from these patterns on such a machine, else
        compile; raises :class:`PatternError`."""
        self.ids = {pattern: i for i, pattern in enumerate(patterns)}
        self._patterns = [pattern.encode("ascii") for pattern in patterns]
        self._database = self._load(compiled) or self._compile()

    def first_ends(self, text: bytes) -> dict[int, int]:
        """Which patterns occur in `text`: the id of each, and where its first match ends."""
        ends: dict[int, int] = {}

        def note(pattern: int, start: int, end: int, flags: int, context: object) -> None:
            ends[pattern] = end

        if self._patterns:
            self._database.scan(text, match_event_handler=note)
        return ends

    def dump(self) -> bytes:
        """The compiled patterns, to be handed to a later :class:`Engine`."""
        body = hyperscan.dumpb(self._database) if self._patterns else b""
        return self._digest(body) + body

    def _digest(self, body: bytes) -> bytes:
        return hashlib.sha256(b"\0".join((*self._patterns, body))).digest()

    def _load(self, compiled: bytes) -> hyperscan.Database | None:
        """Return the database, or None when these bytes are of no use here."""
        body = compiled[_DIGEST_BYTES:]
        if compiled[:_DIGEST_BYTES] != self._digest(body):
            return None
        try:
            database = hyperscan.loadb(body, hyperscan.HS_MODE_BLOCK)
        except hyperscan.error:  # compiled for another processor, or by another version
            return None
        database.scratch = hyperscan.Scratch(database)  # loadb leaves it out, and scan needs it
        return database

    def _compile(self) -> hyperscan.Database:
        try:
            return _build(self._patterns)
        except hyperscan.error as error:
            for pattern in self._patterns:
                _try_alone(pattern)
            first = self._patterns[0].decode()
            raise PatternError(first, f"does not go together with the others: {error}") from error


def encode(text: str) -> bytes:
    """Turn folded text into what patterns see: one byte a character, line ends as spaces."""
    return text.replace("\n", " ").encode("latin-1", "replace")


def _build(patterns: Sequence[bytes]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    if patterns:
        database.compile(
            expressions=patterns, ids=range(len(patterns)), flags=[_FLAGS] * len(patterns)
        )
    return database


def _try_alone(pattern: bytes) -> None:
    try:
        _build([pattern])
    except hyperscan.error as error:
        raise PatternError(pattern.decode(), str(error)) from error
