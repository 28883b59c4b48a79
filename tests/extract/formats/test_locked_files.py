"""Files that take a password: one of the message opens them, no other does, and what stays locked
is a miss."""

import struct
import zlib
from hashlib import pbkdf2_hmac, sha1
from pathlib import Path

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.extract.cage import Cage
from mailguard.extract.formats._deflate64 import inflate64
from mailguard.extract.item import About
from mailguard.extract.office.cipher import ROUNDS, Work
from mailguard.extract.office.locked_package import unlock_package
from mailguard.extract.reading import read_file
from mailguard.testing.compound import compound

SAMPLES = Path(__file__).parent / "samples" / "locked"
MARKER = "the otter naps in the body"

LOCKED = {
    "locked.doc": "otter7",
    "locked.docx": "otter7",
    "locked.odt": "otter7",
    "locked.ods": "otter7",
    "locked.xls": "otter7",
    "agile.xlsx": "otter7",
    "data.7z": "pear",
    "names.7z": "pear",
    "d64-aes.zip": "pear",
    "lzma-aes.zip": "pear",
    "lzma-classic.zip": "pear",
}


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def number(value: int) -> bytes:
    return bytes((value,)) if value < 128 else bytes((value & 127 | 128, value >> 7))


def rar5(word: str) -> bytes:
    """A stored file under a password (technote.txt of RAR 5)."""
    salt, start, power = b"s" * 16, b"i" * 16, 4
    key = pbkdf2_hmac("sha256", word.encode(), salt, 1 << power)
    check = bytearray(8)
    for at, byte in enumerate(pbkdf2_hmac("sha256", word.encode(), salt, (1 << power) + 32)):
        check[at % 8] ^= byte
    content = MARKER.encode()
    padded = content + bytes(-len(content) % 16)
    sealed = Cipher(AES(key), CBC(start)).encryptor().update(padded)
    record = b"\1\0\1" + bytes((power,)) + salt + start + check + bytes(4)
    extra = number(len(record)) + record

    def block(head: bytes) -> bytes:
        head = number(len(head)) + head
        return struct.pack("<I", zlib.crc32(head)) + head

    file = b"\2\3" + number(len(extra)) + number(len(sealed)) + b"\4" + number(len(content))
    file += b"\x20" + struct.pack("<I", zlib.crc32(content)) + b"\0\1" + number(9) + b"fruit.txt"
    return b"Rar!\x1a\7\1\0" + block(b"\1\0\0") + block(file + extra) + sealed + block(b"\5\0\0")


def rc4(word: str, block: int, data: bytes) -> bytes:
    """CryptoAPI with 128 bits and a salt of sixteen "s" (MS-OFFCRYPTO §2.3.5.2)."""
    start = sha1(b"s" * 16 + word.encode("utf-16-le")).digest()
    key = sha1(start + struct.pack("<I", block)).digest()[:16]
    return Cipher(ARC4(key), None).encryptor().update(data)


def deck(word: str) -> bytes:
    """A presentation of one slide under a password (MS-PPT §2.3.7)."""
    text = MARKER.encode("utf-16-le")
    atom = struct.pack("<HHI", 0, 4000, len(text)) + text
    slide = rc4(word, 1, struct.pack("<HHI", 0x0F, 1006, len(atom)) + atom)
    verifier = rc4(word, 0, b"v" * 16 + sha1(b"v" * 16).digest())
    head = struct.pack("<8I", 0, 0, 0x6801, 0x8004, 128, 1, 0, 0)
    crypt = struct.pack("<HHII", 2, 2, 0, len(head)) + head + struct.pack("<I", 16) + b"s" * 16
    crypt += verifier[:16] + struct.pack("<I", 20) + verifier[16:]
    session = struct.pack("<HHI", 0x0F, 12052, len(crypt)) + crypt
    at = len(slide) + len(session)
    directory = struct.pack("<HHIIII", 0, 6002, 12, 2 << 20 | 1, 0, len(slide))
    edit = struct.pack("<HHI4I4I", 0, 4085, 32, 0, 0, 0, at, 1, 2, 0, 2)
    user = struct.pack("<HHIIII", 0, 4086, 20, 20, 0xF3D1C4DF, at + len(directory))
    stream = slide + session + directory + edit
    return compound({"PowerPoint Document": stream, "Current User": user})


MADE = {"made.rar": rar5("pear"), "made.ppt": deck("otter7")}
WORDS = {**LOCKED, "made.rar": "pear", "made.ppt": "otter7"}


def data_of(name: str) -> bytes:
    return MADE.get(name) or sample(name)


@pytest.mark.parametrize("name", WORDS)
def test_a_locked_file_is_opened_in_the_cage_with_a_password_of_the_message(
    name: str, cage: Cage
) -> None:
    passwords = ("apple", "plum", WORDS[name])

    reading = cage.read(data_of(name), About(name=name, passwords=passwords))

    assert MARKER in reading.text
    assert reading.misses == ()


@pytest.mark.parametrize("name", WORDS)
def test_a_locked_file_stays_locked_with_another_password(name: str) -> None:
    for passwords in ((), ("apple", "plum")):
        reading = read_file(data_of(name), About(name=name, passwords=passwords))

        assert MARKER not in reading.text
        assert reading.misses == ("encrypted",)


def test_the_names_of_what_stays_locked_are_read() -> None:
    reading = read_file(sample("data.7z"), About(name="data.7z"))

    assert "turnip.txt" in reading.names


def test_a_workbook_that_excel_opens_unasked_is_opened_unasked() -> None:
    reading = read_file(sample("velvet.xls"), About(name="velvet.xls"))

    assert MARKER in reading.text
    assert reading.misses == ()


def test_a_file_that_asks_for_endless_work_stays_locked() -> None:
    info = struct.pack("<HHI", 4, 4, 64) + (
        b'<encryption><keyData/><encryptedKey spinCount="4000000000" keyBits="256" saltSize="16" '
        b'hashAlgorithm="SHA512" cipherAlgorithm="AES" cipherChaining="ChainingModeCBC" '
        b'saltValue="AAAA" encryptedVerifierHashInput="AAAA" encryptedVerifierHashValue="AAAA"/>'
        b"</encryption>"
    )

    assert unlock_package(info, bytes(99), ("otter7",), Work()) is None


def test_work_ends_whatever_the_number_of_words() -> None:
    work = Work()

    assert len(list(work.words(map(str, range(99))))) == 30
    assert work.take(ROUNDS)
    assert not work.take(1)


@pytest.mark.parametrize("name", ["d64.zip", "ppmd.zip"])
def test_a_zip_packed_in_an_odd_way_is_read(name: str, cage: Cage) -> None:
    reading = cage.read(sample(name), About(name=name))

    assert {f"{MARKER}, {n * n % 97}" for n in range(1, 301)} <= {*reading.text.split("\n")}
    assert reading.misses == ()


def test_deflate64_reaches_further_than_deflate_and_says_where_it_ends() -> None:
    # One block with fixed codes: "a", then a length of 3 + 300 from one before, then the end.
    bits = "1" + "01"[::-1] + "10010001" + "11000101" + f"{300:016b}"[::-1] + "00000" + "0000000"
    packed = int(bits[::-1], 2).to_bytes(-(-len(bits) // 8), "little")

    assert inflate64(packed + b"PK", 0, 1000) == (b"a" * 304, "", len(packed))
    assert inflate64(packed, 0, 100) == (b"a" * 100, "too_long", len(packed) - 1)
    assert inflate64(packed[:3], 0, 1000)[1] == "broken"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from([*WORDS, "d64.zip"]),
    st.lists(st.tuples(st.integers(0, 12000), st.integers(0, 255)), max_size=5),
)
def test_no_broken_locked_file_does_more_than_miss(
    name: str, changes: list[tuple[int, int]]
) -> None:
    broken = bytearray(data_of(name))
    for at, value in changes:
        broken[at % len(broken)] = value

    reading = read_file(bytes(broken), About(name=name, passwords=("otter7", "pear")))

    assert "timeout" not in reading.misses
