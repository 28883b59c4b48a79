"""Takes the encryption off a RAR 5 archive (technote.txt of RAR), which libarchive cannot: what is
left is an archive as RAR would have made it without a password."""

import hashlib
import hmac
import struct
import zlib
from collections.abc import Iterable, Iterator

from mailguard.extract.formats._rar5 import BLOCKS, START, read_number
from mailguard.extract.office.cipher import Work, decrypt_aes_cbc

_FILE, _CRYPT, _END = 2, 4, 5
_HAS_EXTRA, _HAS_DATA, _SPLIT = 1, 2, 0x18
_HAS_TIME, _HAS_CHECKSUM = 2, 4
_ENCRYPTION, _HASH = 1, 2
_IS_CHECKED, _IS_TWEAKED = 1, 2
_LAST_PIECE = 0x40
_BLOCK = 16
_MOST = 24
"""The binary logarithm of the rounds, at most, as RAR itself has it."""

_ROUNDS_PER_UNIT = 2


def unlock_rar5(data: bytes, passwords: Iterable[str]) -> Iterator[bytes]:
    """Yield the archive without encryption for each word that may be its password: where it says
    nothing to tell, only unpacking does. Of the parts of an archive in several, nothing."""
    work = Work()
    for word in work.words(passwords):
        keys = _Keys(word, work)
        try:
            opened = _open(data, keys)
        except (ValueError, IndexError, struct.error):
            continue
        if keys.are_used:
            yield opened


class _Keys:
    """The keys that one word gives."""

    def __init__(self, word: str, work: Work) -> None:
        self._word = word.encode()
        self._work = work
        self._known: dict[tuple[int, bytes], bytes] = {}

    @property
    def are_used(self) -> bool:
        return bool(self._known)

    def key(self, power: int, salt: bytes, check: bytes) -> bytes:
        """The key. Raises ValueError for a wrong word, or one that costs too much."""
        if (power, salt) not in self._known:
            rounds = 1 << power if power <= _MOST else 0
            if not rounds or not self._work.take(2 * rounds // _ROUNDS_PER_UNIT):
                raise ValueError("too much work")
            if check and not hmac.compare_digest(self._check(rounds, salt), check[:8]):
                raise ValueError("not the password")
            self._known[power, salt] = self._derive(rounds, salt)
        return self._known[power, salt]

    def _derive(self, rounds: int, salt: bytes) -> bytes:
        return hashlib.pbkdf2_hmac("sha256", self._word, salt, rounds)

    def _check(self, rounds: int, salt: bytes) -> bytes:
        """What tells a right password: the key 32 rounds later, folded."""
        later = self._derive(rounds + 32, salt)
        folded = bytearray(8)
        for at, byte in enumerate(later):
            folded[at % 8] ^= byte
        return bytes(folded)


def _open(data: bytes, keys: _Keys) -> bytes:
    pieces = [START]
    for head, content in _blocks(data, keys):
        kind, at = read_number(head, 0)
        if kind in (1, _END):
            pieces.append(_block(head, b""))
        elif kind == _FILE:
            pieces.append(_file(head, at, content, keys))
        # Comments and the index for a quick look have nothing that libarchive shows.
    return b"".join(pieces)


def _blocks(data: bytes, keys: _Keys) -> Iterator[tuple[bytes, bytes]]:
    """Each header from its kind on, in the clear, and the data that belong to it."""
    at, key = len(START), b""
    for _ in range(BLOCKS):
        if at + 8 > len(data):
            return
        head, end = _head(data, at, key)
        kind, place = read_number(head, 0)
        flags, place = read_number(head, place)
        size = 0
        if flags & _HAS_EXTRA:
            _, place = read_number(head, place)
        if flags & _HAS_DATA:
            size, place = read_number(head, place)
        if kind == _CRYPT:
            _, place = read_number(head, place)
            told, place = read_number(head, place)
            check = head[place + 17 : place + 25] if told & _IS_CHECKED else b""
            key = keys.key(head[place], head[place + 1 : place + 17], check)
        else:
            yield head, data[end : end + size]
        if kind == _END:
            return
        at = end + size


def _head(data: bytes, at: int, key: bytes) -> tuple[bytes, int]:
    """A header from its kind on, and where it ends."""
    if not key:
        size, begin = read_number(data, at + 4)
        return data[begin : begin + size], begin + size
    start, begin = data[at : at + _BLOCK], at + _BLOCK
    first = decrypt_aes_cbc(key, start, data[begin : begin + _BLOCK])
    size, place = read_number(first, 4)
    end = begin + -(-(place + size) // _BLOCK) * _BLOCK
    plain = decrypt_aes_cbc(key, start, data[begin:end])
    if struct.pack("<I", zlib.crc32(plain[4 : place + size])) != plain[:4]:
        raise ValueError("not the password")
    return plain[place : place + size], end


def _file(head: bytes, at: int, content: bytes, keys: _Keys) -> bytes:
    """A file's block without encryption."""
    flags, at = read_number(head, at)
    extra_size = 0
    if flags & _SPLIT:
        raise ValueError("one part of several")
    if flags & _HAS_EXTRA:
        extra_size, at = read_number(head, at)
    if flags & _HAS_DATA:
        _, at = read_number(head, at)
    fields, extra = head[at : len(head) - extra_size], head[len(head) - extra_size :]
    records = dict(_records(extra))
    told = records.get(_ENCRYPTION)
    if told:
        _, place = read_number(told, 0)
        how, place = read_number(told, place)
        salt, start = told[place + 1 : place + 17], told[place + 17 : place + 33]
        check = told[place + 33 : place + 41] if how & _IS_CHECKED else b""
        content = decrypt_aes_cbc(keys.key(told[place], salt, check), start, content)
        fields, is_stored, size = _fields(fields, is_tweaked=bool(how & _IS_TWEAKED))
        content = content[: size if is_stored else _packed_size(content)]
        left_out = (_ENCRYPTION, _HASH) if how & _IS_TWEAKED else (_ENCRYPTION,)
        extra = b"".join(
            _number(len(_number(kind) + body)) + _number(kind) + body
            for kind, body in _records(extra)
            if kind not in left_out
        )
    new = _number(_FILE) + _number(_HAS_DATA | bool(extra))
    new += (_number(len(extra)) if extra else b"") + _number(len(content))
    return _block(new + fields + extra, content)


def _fields(fields: bytes, *, is_tweaked: bool) -> tuple[bytes, bool, int]:
    """A file's own fields, without a checksum that depends on the password; and whether it is
    stored as it is, and how long it is."""
    flags, at = read_number(fields, 0)
    begin = at
    size, at = read_number(fields, at)
    _, at = read_number(fields, at)
    at += 4 if flags & _HAS_TIME else 0
    checksum = slice(at, at + 4 if flags & _HAS_CHECKSUM else at)
    method, _ = read_number(fields, checksum.stop)
    if is_tweaked:
        kept = fields[begin : checksum.start] + fields[checksum.stop :]
        fields = _number(flags & ~_HAS_CHECKSUM) + kept
    return fields, not method >> 7 & 7, size


def _packed_size(content: bytes) -> int:
    """How long a packed stream is without what fills it up for the cipher: libarchive would take
    that for another piece."""
    at = 0
    while at + 3 <= len(content):
        flags = content[at]
        body = at + 3 + (flags >> 3 & 3)
        at = body + int.from_bytes(content[at + 2 : body], "little")
        if flags & _LAST_PIECE:
            break
    return at


def _records(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each record in a header's extra area."""
    at = 0
    while at < len(extra):
        size, begin = read_number(extra, at)
        kind, place = read_number(extra, begin)
        yield kind, extra[place : begin + size]
        at = begin + max(size, 1)


def _block(head: bytes, content: bytes) -> bytes:
    head = _number(len(head)) + head
    return struct.pack("<I", zlib.crc32(head)) + head + content


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
