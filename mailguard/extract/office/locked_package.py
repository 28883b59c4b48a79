"""Opens Office files since 2007 that take a password (MS-OFFCRYPTO §2.3.4): two streams of a
compound file, one that says how it is encrypted, and one that is the encrypted zip file."""

import base64
import hashlib
import hmac
import struct
from collections.abc import Callable, Iterable, Mapping

from lxml import etree

from mailguard.extract.office.cipher import Work, decrypt_aes_cbc, decrypt_aes_ecb, spin
from mailguard.extract.office.markup import Events, Start

_AGILE = 4
_STANDARD_ROUNDS = 50_000
_SEGMENT = 4096
_HASHES = {"SHA1": "sha1", "SHA-1": "sha1", "SHA256": "sha256", "SHA384": "sha384"} | {
    "SHA512": "sha512"
}
_INPUT = bytes.fromhex("fea7d2763b4b9e79")
_VALUE = bytes.fromhex("d7aa0f6d3061344e")
_KEY = bytes.fromhex("146e0be7abacd0d6")
"""Block keys (§2.3.4.13)."""

_AES = frozenset((0x660E, 0x660F, 0x6610))
_SHA1 = frozenset((0, 0x8004))

_FAULTS = (ValueError, struct.error, KeyError, IndexError, etree.XMLSyntaxError)

_Opener = Callable[[str, Work], bytes | None]


def unlock_package(
    info: bytes, package: bytes, passwords: Iterable[str], work: Work
) -> bytes | None:
    """The zip file inside, ``None`` if no word opens it, or not within `work`.

    `info` is the stream EncryptionInfo, `package` the stream EncryptedPackage.
    """
    try:
        (size,) = struct.unpack_from("<Q", package)
        opener = _agile(info) if info[:2] == bytes((_AGILE, 0)) else _standard(info)
        for word in work.words(passwords):
            if key := opener(word, work):
                content = _segments(info, key, package[8:])
                return content[:size]
    except _FAULTS:
        pass
    return None


def _agile(info: bytes) -> _Opener:
    """§2.3.4.10: the password opens a key that opens the package."""
    locked = _elements(info)["encryptedKey"]
    salt = base64.b64decode(locked["saltValue"])
    algorithm = _HASHES[locked["hashAlgorithm"].upper()]
    _check(locked)
    rounds, size = int(locked["spinCount"]), int(locked["keyBits"]) // 8
    sealed = [
        base64.b64decode(locked[name])
        for name in ("encryptedVerifierHashInput", "encryptedVerifierHashValue")
    ]
    new = getattr(hashlib, algorithm)

    def open_with(word: str, work: Work) -> bytes | None:
        if not work.take(rounds):
            return None
        digest = spin(algorithm, salt + word.encode("utf-16-le"), rounds)

        def unseal(block: bytes, content: bytes) -> bytes:
            key = new(digest + block).digest()[:size].ljust(size, b"\x36")
            return decrypt_aes_cbc(key, salt[:16].ljust(16, b"\x36"), content)

        verifier, value = (
            unseal(block, content) for block, content in zip((_INPUT, _VALUE), sealed, strict=True)
        )
        expected = new(verifier[: int(locked["saltSize"])]).digest()
        if not hmac.compare_digest(expected, value[: len(expected)]):
            return None
        return unseal(_KEY, base64.b64decode(locked["encryptedKeyValue"]))[:size]

    return open_with


def _standard(info: bytes) -> _Opener:
    """§2.3.4.5: the password is the key, after some turns."""
    (size,) = struct.unpack_from("<I", info, 8)
    _, _, cipher, algorithm, bits = struct.unpack_from("<IIIII", info, 12)
    if cipher not in _AES or algorithm not in _SHA1 or bits not in (128, 192, 256):
        raise ValueError("not AES with SHA-1")
    at = 12 + size
    (salt_size,) = struct.unpack_from("<I", info, at)
    salt = info[at + 4 : at + 4 + salt_size]
    sealed = info[at + 4 + salt_size :]
    verifier, value = sealed[:16], sealed[20:52]

    def open_with(word: str, work: Work) -> bytes | None:
        if not work.take(_STANDARD_ROUNDS):
            return None
        digest = spin("sha1", salt + word.encode("utf-16-le"), _STANDARD_ROUNDS)
        key = _turn(hashlib.sha1(digest + bytes(4)).digest())[: bits // 8]  # noqa: S324
        expected = hashlib.sha1(decrypt_aes_ecb(key, verifier)).digest()  # noqa: S324
        is_right = hmac.compare_digest(expected, decrypt_aes_ecb(key, value)[: len(expected)])
        return key if is_right else None

    return open_with


def _turn(digest: bytes) -> bytes:
    """§2.3.4.7: two hashes of the hash, put into two patterns."""
    pieces = []
    for pattern in (0x36, 0x5C):
        block = bytearray((pattern,)) * 64
        for at, byte in enumerate(digest):
            block[at] ^= byte
        pieces.append(hashlib.sha1(block).digest())  # noqa: S324
    return b"".join(pieces)


def _segments(info: bytes, key: bytes, content: bytes) -> bytes:
    """Decrypt the package: at once, or in segments that each begin anew (§2.3.4.15)."""
    if info[:2] != bytes((_AGILE, 0)):
        return decrypt_aes_ecb(key, content)
    data = _elements(info)["keyData"]
    _check(data)
    new = getattr(hashlib, _HASHES[data["hashAlgorithm"].upper()])
    salt = base64.b64decode(data["saltValue"])
    pieces = []
    for number, at in enumerate(range(0, len(content), _SEGMENT)):
        start = new(salt + number.to_bytes(4, "little")).digest()[:16]
        pieces.append(decrypt_aes_cbc(key, start, content[at : at + _SEGMENT]))
    return b"".join(pieces)


def _elements(info: bytes) -> dict[str, Mapping[str, str]]:
    """The attributes of the first element of each name."""
    found: dict[str, Mapping[str, str]] = {}
    for event in Events((info[8 : 1 << 16],)):
        if isinstance(event, Start):
            found.setdefault(event.name, event.attributes)
    return found


def _check(attributes: Mapping[str, str]) -> None:
    if attributes["cipherAlgorithm"] != "AES" or attributes["cipherChaining"] != "ChainingModeCBC":
        raise ValueError("not AES in blocks")
