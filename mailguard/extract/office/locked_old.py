"""Opens Office files before 2007 that take a password (MS-OFFCRYPTO §2.3.5 to §2.3.7)."""

import hashlib
import hmac
import struct
from collections.abc import Callable, Iterable, Iterator

from mailguard.extract.office.cipher import Work, decrypt_rc4

_Key = Callable[[int], bytes]
"""Gives the key of each block, by its number."""

_XOR_PAD = bytes.fromhex("bbffffbaffffb98000be0f00bf0f00")
_XOR_LONGEST = 15
_OLD, _NEW = (1, 1), 2

_FILE_PASS, _BOUND_SHEET = 0x002F, 0x0085
_OPEN_RECORDS = frozenset((0x0809, _FILE_PASS, 0x0194, 0x0195, 0x00E1, 0x0196, 0x0138))
"""Records of Excel that are never encrypted (MS-XLS §2.2.10)."""

_XLS_BLOCK, _DOC_BLOCK = 1024, 512
_DOC_OPEN = 0x44
"""Bytes of a Word file that are never encrypted (MS-DOC §2.2.6.2)."""

_DOC_ENCRYPTED, _DOC_OBFUSCATED = 0x0100, 0x8000

_USER_EDIT, _DIRECTORY, _CRYPT = 0x0FF5, 0x1772, 0x2F14
_EDITS = 100
OBJECTS = 20_000
"""Objects of one presentation that are decrypted; a deck of 300 slides has 900."""


def unlock_xls(stream: bytes, passwords: Iterable[str], work: Work) -> bytes | None:
    """A Workbook stream without its encryption, ``None`` if no word opens it."""
    found = next((each for each in _records(stream) if each[1] == _FILE_PASS), None)
    if not found:
        return None
    at, _, size = found
    body = stream[at + 4 : at + 4 + size]
    if body[:2] == b"\0\0":
        plain = _undo_xor(stream, body, passwords, work)
    else:
        key = _find_key(body[2:], passwords, work)
        plain = bytearray(_blocks(stream, key, _XLS_BLOCK)) if key else None
    if plain is None:
        return None
    for at, kind, size in _records(stream):
        shown = 4 + size if kind in _OPEN_RECORDS else 8 if kind == _BOUND_SHEET else 4
        plain[at : at + shown] = stream[at : at + shown]
        if kind == _FILE_PASS:
            plain[at : at + 2] = b"\0\0"
    return bytes(plain)


def unlock_doc(
    stream: bytes, tables: tuple[bytes, bytes], passwords: Iterable[str], work: Work
) -> tuple[bytes, tuple[bytes, bytes]] | None:
    """A WordDocument stream and its tables without their encryption, ``None`` if no word opens
    it."""
    if len(stream) < _DOC_OPEN:
        return None
    (flags,) = struct.unpack_from("<H", stream, 0x0A)
    if flags & _DOC_OBFUSCATED or not flags & _DOC_ENCRYPTED:
        return None
    which = bool(flags & 0x0200)
    (size,) = struct.unpack_from("<I", stream, 0x0E)
    key = _find_key(tables[which][:size], passwords, work)
    if not key:
        return None
    plain = bytearray(_blocks(stream, key, _DOC_BLOCK))
    plain[:_DOC_OPEN] = stream[:_DOC_OPEN]
    struct.pack_into("<H", plain, 0x0A, flags & ~_DOC_ENCRYPTED)
    first, second = (_blocks(table, key, _DOC_BLOCK) for table in tables)
    return bytes(plain), (first, second)


def is_locked_ppt(stream: bytes, user: bytes) -> bool:
    """Whether a PowerPoint Document stream is encrypted; `user` is the stream Current User."""
    return bool(_session(stream, user))


def unlock_ppt(stream: bytes, user: bytes, passwords: Iterable[str], work: Work) -> bytes | None:
    """A PowerPoint Document stream without its encryption, ``None`` if no word opens it."""
    found = _session(stream, user)
    if not found:
        return None
    crypt, objects = found
    _, _, size = struct.unpack_from("<HHI", stream, crypt)
    key = _find_key(stream[crypt + 8 : crypt + 8 + size], passwords, work)
    if not key:
        return None
    plain = bytearray(stream)
    for number, at in objects.items():
        if at == crypt:
            # Who meets this record takes the file for encrypted.
            plain[at : at + 8] = struct.pack("<HHI", 0, 0, size)
            continue
        head = decrypt_rc4(key(number), stream[at : at + 8])
        end = at + 8 + int.from_bytes(head[4:8], "little")
        plain[at:end] = decrypt_rc4(key(number), stream[at:end])
    return bytes(plain)


def _session(stream: bytes, user: bytes) -> tuple[int, dict[int, int]] | None:
    """Where the record about encryption is, and by number where each object is (MS-PPT §2.3)."""
    if len(user) < 20:
        return None
    (at,) = struct.unpack_from("<I", user, 16)
    objects: dict[int, int] = {}
    crypt = 0
    for _ in range(_EDITS):
        if at + 40 > len(stream):
            break
        _, kind, size = struct.unpack_from("<HHI", stream, at)
        if kind != _USER_EDIT:
            break
        before, directory = struct.unpack_from("<II", stream, at + 16)
        if size >= 32:
            (crypt,) = struct.unpack_from("<I", stream, at + 36)
        for number, where in _directory(stream, directory):
            # The newest edit comes first, and counts.
            objects.setdefault(number, where)
        if not before or before >= at:
            break
        at = before
    place = objects.get(crypt, -1)
    if not crypt or place < 0 or stream[place + 2 : place + 4] != _CRYPT.to_bytes(2, "little"):
        return None
    return place, objects


def _directory(stream: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Number and place of each object (MS-PPT §2.3.4)."""
    if at + 8 > len(stream):
        return
    _, kind, size = struct.unpack_from("<HHI", stream, at)
    end = min(at + 8 + size, len(stream))
    at += 8
    left = OBJECTS
    while kind == _DIRECTORY and at + 4 <= end:
        (head,) = struct.unpack_from("<I", stream, at)
        number, count = head & 0xFFFFF, head >> 20
        at += 4
        for offset in range(min(count, (end - at) // 4, left)):
            (where,) = struct.unpack_from("<I", stream, at + 4 * offset)
            if where + 8 <= len(stream):
                yield number + offset, where
        left -= count
        at += 4 * count
        if left <= 0:
            return


def _find_key(head: bytes, passwords: Iterable[str], work: Work) -> _Key | None:
    """The keys that one of the words gives, by either way of RC4; `head` says which."""
    try:
        version = struct.unpack_from("<HH", head)
        maker = _rc4(head) if version == _OLD else _crypto_api(head, version)
    except (struct.error, ValueError):
        return None
    for word in work.words(passwords):
        if key := maker(word):
            return key
    return None


def _rc4(head: bytes) -> Callable[[str], _Key | None]:
    """§2.3.6: MD5, of which 40 bits count."""
    salt, verifier, value = (head[at : at + 16] for at in (4, 20, 36))

    def make(word: str) -> _Key | None:
        short = hashlib.md5(word.encode("utf-16-le")).digest()[:5]  # noqa: S324
        start = hashlib.md5((short + salt) * 16).digest()[:5]  # noqa: S324

        def key(block: int) -> bytes:
            return hashlib.md5(start + block.to_bytes(4, "little")).digest()  # noqa: S324

        plain = decrypt_rc4(key(0), verifier + value)
        expected = hashlib.md5(plain[:16]).digest()  # noqa: S324
        return key if hmac.compare_digest(expected, plain[16:]) else None

    return make


def _crypto_api(head: bytes, version: tuple[int, ...]) -> Callable[[str], _Key | None]:
    """§2.3.5: SHA-1 and a key of the length that the header says."""
    (size,) = struct.unpack_from("<I", head, 8)
    _, _, cipher, algorithm, bits = struct.unpack_from("<IIIII", head, 12)
    if version[1] != _NEW or cipher not in (0, 0x6801) or algorithm not in (0, 0x8004):
        raise ValueError("not RC4 with SHA-1")
    bits = bits or 40
    at = 12 + size
    salt, verifier = head[at + 4 : at + 20], head[at + 20 : at + 36]
    value = head[at + 40 : at + 60]

    def make(word: str) -> _Key | None:
        start = hashlib.sha1(salt + word.encode("utf-16-le")).digest()  # noqa: S324

        def key(block: int) -> bytes:
            made = hashlib.sha1(start + block.to_bytes(4, "little")).digest()  # noqa: S324
            return made[:5].ljust(16, b"\0") if bits == 40 else made[: bits // 8]

        plain = decrypt_rc4(key(0), verifier + value)
        expected = hashlib.sha1(plain[:16]).digest()  # noqa: S324
        return key if hmac.compare_digest(expected, plain[16:]) else None

    return make


def _blocks(stream: bytes, key: _Key, size: int) -> bytes:
    """Decrypt a stream whose blocks have a key each."""
    return b"".join(
        decrypt_rc4(key(number), stream[at : at + size])
        for number, at in enumerate(range(0, len(stream), size))
    )


def _records(stream: bytes) -> Iterator[tuple[int, int, int]]:
    """Where each record of Excel is, its kind and the length of its body."""
    at = 0
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        yield at, kind, size
        at += 4 + size


def _undo_xor(stream: bytes, head: bytes, passwords: Iterable[str], work: Work) -> bytearray | None:
    """§2.3.7.1: letters and a pattern, turned; each record begins elsewhere in it."""
    key, wanted = head[2:4], int.from_bytes(head[4:6], "little")
    word = next((each for each in work.words(passwords) if _verifier(each) == wanted), None)
    if word is None or len(key) < 2:
        return None
    letters = word[:_XOR_LONGEST].encode("latin-1", "replace")
    pattern = bytes(
        _turned(byte ^ key[at & 1], 1) for at, byte in enumerate((letters + _XOR_PAD)[:16])
    )
    tables = [bytes(_turned(byte ^ each, 5) for byte in range(256)) for each in pattern]
    plain = bytearray(stream)
    for at, _, size in _records(stream):
        start, end = at + 4, min(at + 4 + size, len(stream))
        for offset in range(min(16, end - start)):
            table = tables[(start + offset + size) % 16]
            plain[start + offset : end : 16] = stream[start + offset : end : 16].translate(table)
    return plain


def _verifier(word: str) -> int:
    """§2.3.7.1: 15 bits that tell a right password, one time in 32,768 a wrong one."""
    letters = word[:_XOR_LONGEST].encode("latin-1", "replace")
    verifier = 0
    for byte in reversed((len(letters), *letters)):
        verifier = (verifier >> 14 & 1 | verifier << 1 & 0x7FFF) ^ byte
    return verifier ^ 0xCE4B


def _turned(byte: int, bits: int) -> int:
    """Bits turned to the right."""
    return (byte >> bits | byte << 8 - bits) & 0xFF
