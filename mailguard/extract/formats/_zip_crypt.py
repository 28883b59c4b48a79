"""Takes the encryption off a file in a ZIP archive that libarchive cannot both decrypt and unpack:
it does so with deflated and stored ones only."""

import hashlib
import hmac
import zlib
from dataclasses import replace
from functools import cache

from mailguard.extract.formats._zip import SIZE_BEHIND, Entry
from mailguard.extract.office.cipher import encrypt_aes_ecb

AES = 99
"""Stands in place of the method of a file encrypted with AES (AE-2 of WinZip, APPNOTE 7.2)."""

CLASSIC = 4 << 20
"""Bytes that are decrypted in the old way, which takes four seconds."""

_AES_FIELD = 0x9901
_KEY = {1: 16, 2: 24, 3: 32}
_ROUNDS = 1000
_CHECK, _SEAL = 2, 10
_BLOCK = 16
_HEAD = 12


def method_of(entry: Entry) -> int:
    """How the file is packed, whether it is encrypted or not."""
    field = entry.extra_field(_AES_FIELD)
    return int.from_bytes(field[5:7], "little") if entry.method == AES else entry.method


def decrypt(entry: Entry, stream: bytes, password: str) -> bytes | None:
    """The packed content, ``None`` if `password` is not the one."""
    if entry.method == AES:
        return _decrypt_aes(entry, stream, password.encode())
    return _decrypt_classic(entry, stream, password.encode())


def without_encryption(entry: Entry, packed: bytes) -> Entry:
    """The header that the file would have had."""
    flags = entry.flags & ~(0x1 | 0x40 | SIZE_BEHIND)
    return replace(
        entry, flags=flags, method=method_of(entry), packed=len(packed), extra=b"", crc=entry.crc
    )


def _decrypt_aes(entry: Entry, stream: bytes, password: bytes) -> bytes | None:
    size = _KEY.get(entry.extra_field(_AES_FIELD)[4:5][0] if entry.extra else 0, 0)
    salt = stream[: size // 2]
    if not size or len(stream) < size // 2 + _CHECK + _SEAL:
        return None
    keys = hashlib.pbkdf2_hmac("sha1", password, salt, _ROUNDS, 2 * size + _CHECK)
    body, seal = stream[len(salt) + _CHECK : -_SEAL], stream[-_SEAL:]
    if stream[len(salt) :][:_CHECK] != keys[-_CHECK:]:
        return None
    if not hmac.compare_digest(hmac.digest(keys[size : 2 * size], body, "sha1")[:_SEAL], seal):
        return None
    # The counter has its lowest byte first, which no library offers.
    counters = (n.to_bytes(_BLOCK, "little") for n in range(1, len(body) // _BLOCK + 2))
    mask = encrypt_aes_ecb(keys[:size], b"".join(counters))[: len(body)]
    mixed = int.from_bytes(body, "little") ^ int.from_bytes(mask, "little")
    return mixed.to_bytes(len(body), "little")


def _decrypt_classic(entry: Entry, stream: bytes, password: bytes) -> bytes | None:
    """The cipher of PKZIP (APPNOTE 6.1), which others break; its check is one byte."""
    table = _crc_table()
    first, second, third = 0x12345678, 0x23456789, 0x34567890
    for byte in password:
        first = first >> 8 ^ table[(first ^ byte) & 0xFF]
        second = ((second + (first & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        third = third >> 8 ^ table[(third ^ second >> 24) & 0xFF]
    plain = bytearray()
    expected = entry.moment[1] if entry.flags & SIZE_BEHIND else entry.crc >> 24
    for number, cipher in enumerate(stream[: CLASSIC + _HEAD]):
        mask = third & 0xFFFF | 2
        byte = cipher ^ (mask * (mask ^ 1)) >> 8 & 0xFF
        plain.append(byte)
        if number == _HEAD - 1 and byte != expected:
            return None
        first = first >> 8 ^ table[(first ^ byte) & 0xFF]
        second = ((second + (first & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        third = third >> 8 ^ table[(third ^ second >> 24) & 0xFF]
    return bytes(plain[_HEAD:])


@cache
def _crc_table() -> tuple[int, ...]:
    """The table of CRC-32, whose steps are the cipher's, out of zlib's CRC of one byte each."""
    # zlib turns all bits before and after.
    return tuple(zlib.crc32(bytes((byte,)), 0xFFFFFFFF) ^ 0xFFFFFFFF for byte in range(256))
