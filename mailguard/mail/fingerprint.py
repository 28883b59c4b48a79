"""Know a message again when its sender tries once more.

Two fingerprints: of the envelope and exact bytes, which says that it is the same message; and of
sender and content without what each hop adds, which says that it is the same but for its way here.
"""

import hashlib
from collections.abc import Iterable, Iterator

from mailguard.mail.envelope import Envelope, Path
from mailguard.mail.raw import CHUNK, Raw

HEAD = 1 << 18
"""Bytes within which the header block must end; one that is longer has no Message-ID for us."""

_RECEIVED = b"received"
_MESSAGE_ID = b"message-id"


def fingerprint(envelope: Envelope, raw: Raw) -> str:
    """Of sender, recipients in order and exact bytes, as lower-case hex.

    It costs some microseconds whatever the size: the digest of the bytes is there already.
    """
    arguments = (path.argument for path in envelope.recipients)
    return _digest(b"exact", envelope.sender.argument, *arguments, raw.sha256.encode()).hexdigest()


def trace_free(sender: Path, raw: Raw) -> str:
    """Of sender and bytes without the ``Received:`` fields, if the message has exactly one
    Message-ID, else of sender and exact bytes. It reads all of the message.

    Of the sender the address only: parameters such as SIZE may change with the fields.
    """
    address = sender.address.encode("utf-8", "surrogatepass")
    fields = _fields(raw)
    if not _has_one_message_id(fields):
        return _digest(b"whole", address, raw.sha256.encode()).hexdigest()
    head = sum(map(len, fields))
    kept = b"".join(field for field in fields if _name(field) != _RECEIVED)
    digest = _digest(b"trace-free", address, kept)
    for start in range(head, raw.size, CHUNK):
        digest.update(raw.buffer[start : start + CHUNK])
    return digest.hexdigest()


def has_one_message_id(raw: Raw) -> bool:
    """Whether it can be told from another message of the same words."""
    return _has_one_message_id(_fields(raw))


def _has_one_message_id(fields: Iterable[bytes]) -> bool:
    found = [field for field in fields if _name(field) == _MESSAGE_ID]
    return len(found) == 1 and bool(found[0].partition(b":")[2].strip())


def _fields(raw: Raw) -> tuple[bytes, ...]:
    """The fields of the header block as they stand, folds and CRLFs included (RFC 5322 §2.2);
    none when it is too long."""
    if raw.head(2) == b"\r\n":
        return ()
    end = raw.buffer.find(b"\r\n\r\n", 0, HEAD)
    if end < 0 and raw.size > HEAD:
        return ()
    return tuple(_unfolded(raw.head(HEAD if end < 0 else end + 2)))


def _unfolded(head: bytes) -> Iterator[bytes]:
    """Each field with the lines that continue it."""
    field: list[bytes] = []
    for line in head.splitlines(keepends=True):
        if field and line[:1] not in (b" ", b"\t"):
            yield b"".join(field)
            field.clear()
        field.append(line)
    if field:
        yield b"".join(field)


def _name(field: bytes) -> bytes:
    """In lower case. Space before the colon is obsolete syntax (RFC 5322 §4.5), and read."""
    return field.partition(b":")[0].rstrip(b" \t").lower()


def _digest(*parts: bytes) -> "hashlib._Hash":
    """Begun with these. Lengths first: no two lists of parts may read alike."""
    return hashlib.sha256(b"".join(b"%d:%s" % (len(part), part) for part in parts))
