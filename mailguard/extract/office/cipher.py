"""The ciphers that encrypted documents and archives use, and how much may be spent on passwords."""

import hashlib
from collections.abc import Iterable, Iterator

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4, Blowfish
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

PASSWORDS = 30
"""Words that are tried on one file; a message offers at most twenty."""

ROUNDS = 4_000_000
"""Rounds of hashing that all words together may cost for one file: three seconds. Office does
100,000 for a word, LibreOffice as many; a hostile file may ask for thousands of millions."""

DEFAULT_PASSWORD = "VelvetSweatshop"  # noqa: S105
"""Excel opens what is encrypted with it without asking (MS-XLS §2.2.10), so all malware uses it."""

_BLOCK = 16
_ARC4_KEYS = frozenset((5, 7, 8, 10, 16, 20, 24, 32))


class Work:
    """What may still be spent on the passwords of one file."""

    def __init__(self) -> None:
        self._rounds = ROUNDS
        self._passwords = PASSWORDS

    def words(self, passwords: Iterable[str]) -> Iterator[str]:
        """Yield the words to try, each once; those that nobody can type in are left out."""
        for word in dict.fromkeys(passwords):
            if "\0" in word or not word.isprintable():
                continue
            self._passwords -= 1
            if self._passwords < 0:
                return
            yield word

    def take(self, rounds: int) -> bool:
        """Whether `rounds` of hashing may be done; if so, they count as done."""
        if not 0 <= rounds <= self._rounds:
            return False
        self._rounds -= rounds
        return True


def decrypt_aes_cbc(key: bytes, start: bytes, data: bytes) -> bytes:
    """`data` up to its last whole block. Raises ValueError where key or `start` cannot be one."""
    decryptor = Cipher(AES(key), CBC(start)).decryptor()
    return decryptor.update(data[: len(data) - len(data) % _BLOCK])


def decrypt_aes_ecb(key: bytes, data: bytes) -> bytes:
    """`data` up to its last whole block. Raises ValueError where `key` cannot be one."""
    decryptor = Cipher(AES(key), ECB()).decryptor()  # noqa: S305
    return decryptor.update(data[: len(data) - len(data) % _BLOCK])


def encrypt_aes_ecb(key: bytes, data: bytes) -> bytes:
    """`data`, which is whole blocks. Raises ValueError where `key` cannot be one."""
    return Cipher(AES(key), ECB()).encryptor().update(data)  # noqa: S305


def decrypt_blowfish(key: bytes, start: bytes, data: bytes) -> bytes:
    """All of `data`, 64 bits fed back. Raises ValueError where key or `start` cannot be one."""
    return Cipher(Blowfish(key), CFB(start)).decryptor().update(data)


def decrypt_rc4(key: bytes, data: bytes) -> bytes:
    """All of `data`. Raises ValueError where `key` cannot be one."""
    if len(key) not in _ARC4_KEYS:
        raise ValueError("no key of this length")
    return Cipher(ARC4(key), None).decryptor().update(data)


def spin(algorithm: str, start: bytes, count: int) -> bytes:
    """Hash `start`, and `count` times what came out of it behind the number of the round
    (MS-OFFCRYPTO §2.3.4.7, §2.3.4.11)."""
    new = getattr(hashlib, algorithm)
    digest: bytes = new(start).digest()
    for number in range(count):
        digest = new(number.to_bytes(4, "little") + digest).digest()
    return digest


def warm_up() -> None:
    """Use each cipher once, so that OpenSSL has loaded what it needs before the cage is locked."""
    decrypt_aes_cbc(bytes(32), bytes(16), bytes(16))
    decrypt_aes_ecb(bytes(16), bytes(16))
    encrypt_aes_ecb(bytes(16), bytes(16))
    decrypt_blowfish(bytes(16), bytes(8), b"x")
    decrypt_rc4(bytes(16), b"x")
    hashlib.pbkdf2_hmac("sha1", b"x", bytes(8), 1)
    hashlib.pbkdf2_hmac("sha256", b"x", bytes(8), 1)


warm_up()
