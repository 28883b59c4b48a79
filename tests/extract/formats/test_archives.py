"""Archives: what is inside is found, by every packer and every header, within limits."""

import base64
import bz2
import ctypes
import gzip
import io
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.extract.cage import Cage
from mailguard.extract.formats import archive, compressed
from mailguard.extract.formats import zip as zip_format
from mailguard.extract.found import Limits, Opened
from mailguard.extract.item import About, Feature, Item, Member, Miss, Name, Text
from mailguard.extract.reading import read_file

MARKER = b"Bring the pineapple."
MAIL = b"From: Ana <ana@elmpark.example>\nSubject: fruit\n\nBring the pineapple.\n"


def members(items: list[Item]) -> dict[str, bytes]:
    return {item.name: item.data for item in items if isinstance(item, Member)}


def names(items: list[Item]) -> list[str]:
    return [item.name for item in items if isinstance(item, Name)]


def misses(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Miss)]


def read_zip(data: bytes, *passwords: str, room: int = 10 << 20) -> list[Item]:
    return list(zip_format.read(data, About(passwords=passwords, room=room)))


def read_archive(data: bytes, room: int = 10 << 20) -> list[Item]:
    return list(archive.read(data, About(room=room)))


# ---- samples -------------------------------------------------------------------------------------

_library = ctypes.CDLL("libarchive.so.13")
for _name in ("archive_write_new", "archive_entry_new"):
    getattr(_library, _name).restype = ctypes.c_void_p


def pack(
    form: str,
    name: str,
    content: bytes,
    *,
    press: str = "none",
    options: str = "",
    password: str = "",
) -> bytes:
    """An archive of one file, made by libarchive."""
    writer = ctypes.c_void_p(_library.archive_write_new())
    entry = ctypes.c_void_p(_library.archive_entry_new())
    buffer = ctypes.create_string_buffer((1 << 20) + 2 * len(content))
    used = ctypes.c_size_t()
    assert getattr(_library, f"archive_write_set_format_{form}")(writer) == 0
    assert getattr(_library, f"archive_write_add_filter_{press}")(writer) == 0
    if options:
        assert _library.archive_write_set_options(writer, options.encode()) == 0
    if password:
        assert _library.archive_write_set_passphrase(writer, password.encode()) == 0
    size = ctypes.c_size_t(len(buffer))
    assert _library.archive_write_open_memory(writer, buffer, size, ctypes.byref(used)) == 0
    _library.archive_entry_set_pathname_utf8(entry, name.encode())
    _library.archive_entry_set_size(entry, ctypes.c_int64(len(content)))
    _library.archive_entry_set_filetype(entry, 0o100000)
    _library.archive_entry_set_perm(entry, 0o644)
    assert _library.archive_write_header(writer, entry) == 0
    _library.archive_write_data.restype = ctypes.c_ssize_t
    count = _library.archive_write_data(writer, content, ctypes.c_size_t(len(content)))
    assert count == len(content)
    assert _library.archive_write_close(writer) == 0
    _library.archive_entry_free(entry)
    _library.archive_write_free(writer)
    return buffer.raw[: used.value]


def cab(name: bytes, content: bytes) -> bytes:
    """A cabinet with one stored file (MS-CAB)."""
    file_at = 36 + 8
    data_at = file_at + 16 + len(name) + 1
    block = struct.pack("<IHH", 0, len(content), len(content)) + content
    return (
        struct.pack("<4sIIIII", b"MSCF", 0, data_at + len(block), 0, file_at, 0)
        + struct.pack("<BBHHHHH", 3, 1, 1, 1, 0, 0, 0)
        + struct.pack("<IHH", data_at, 1, 0)
        + struct.pack("<IIHHHH", len(content), 0, 0, 0x21, 0, 0x20)
        + name
        + b"\0"
        + block
    )


def lha(name: bytes, content: bytes) -> bytes:
    """A stored file with a level 0 header."""
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    head = b"-lh0-" + struct.pack("<IIIBB", len(content), len(content), 0x210000, 0x20, 0)
    head += bytes((len(name),)) + name + struct.pack("<H", crc)
    return bytes((len(head), sum(head) & 0xFF)) + head + content + b"\0"


def rar4(name: bytes, content: bytes, flags: int = 0) -> bytes:
    """A stored file in RAR's format up to 4."""

    def block(head: bytes) -> bytes:
        return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head

    size = 32 + len(name)
    head = struct.pack("<BHHII", 0x74, 0x8000 | flags, size, len(content), len(content))
    head += struct.pack("<BIIBBHI", 2, zlib.crc32(content), 0x210000, 20, 0x30, len(name), 0x20)
    return (
        b"Rar!\x1a\7\0"
        + block(struct.pack("<BHHHI", 0x73, 0, 13, 0, 0))
        + block(head + name)
        + content
        + block(struct.pack("<BHH", 0x7B, 0x4000, 7))
    )


def rar5(name: bytes, content: bytes, extra: bytes = b"") -> bytes:
    """A stored file in RAR's format from 5."""

    def number(value: int) -> bytes:
        return bytes((value,)) if value < 128 else bytes((value & 127 | 128, value >> 7))

    def block(head: bytes) -> bytes:
        head = number(len(head)) + head
        return struct.pack("<I", zlib.crc32(head)) + head

    file = b"\2" + (b"\3" + number(len(extra)) if extra else b"\2") + number(len(content))
    file += b"\4" + number(len(content)) + b"\x20"
    file += struct.pack("<I", zlib.crc32(content)) + b"\0\1" + number(len(name)) + name + extra
    return b"Rar!\x1a\7\1\0" + block(b"\1\0\0") + block(file) + content + block(b"\5\0\0")


def zipped(*files: tuple[str, bytes], comment: bytes = b"", method: int = 8) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        for name, content in files:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.comment = comment
            made.writestr(info, content)
        made.comment = comment
    return target.getvalue()


# Made with 7-Zip 26.02; the password is "pear". Of the second the names are encrypted too.
SEVEN_ENCRYPTED = base64.b64decode(
    "N3q8ryccAAQPYZFbIAAAAAAAAAByAAAAAAAAADn4gFpeMFm3XvpePNXuu8H/g9xEjQD/mOlE3zmSIvfqFeuFGAEEBgAB"
    "CSAABwsBAAIkBvEHARJTD+8uga43EQ9vDGTjjlKSKjshIQEAAQAMFBAACAoBwbojeQAABQEZAQARFwB0AHUAcgBuAGkA"
    "cAAuAHQAeAB0AAAAGQQAAAAAFAoBAPVe/wwre90BFQYBACCApIEAAA=="
)
SEVEN_SEALED = base64.b64decode(
    "N3q8ryccAAR1xgiloAAAAAAAAAAvAAAAAAAAAOXGIeYLbj8+nqSyWHgw47fxtTCf9V59h0RETc8aAnYvjvvzjoIU3BwP"
    "ZWdIBhSf6JuE0LexRTe5vH5UOfG7j+PRrQ/letGP/M6b+lcp4W+TsyDdWt92mBnNljNzujZTSAP5QHMVLi1k6J8AkjmkJ"
    "RnhOhaj+LnfDYzxkH1nJOmQ35rQgf0iJf3UxXY2XDJAPwSrKeAgmRCb54GQU8zrDKTzXOpeFwYgAQmAgAAHCwEAASQG8Q"
    "cBElMPrIGRo2suk7MbHTHDGv6XdgxyCgGx5UUxAAA="
)


# ---- every format --------------------------------------------------------------------------------


SAMPLES = {
    "7z": pack("7zip", "fruit.txt", MARKER),
    "tar": pack("gnutar", "fruit.txt", MARKER),
    "cpio": pack("cpio_newc", "fruit.txt", MARKER),
    "iso": pack("iso9660", "fruit.txt", MARKER),
    "ar": pack("ar_svr4", "fruit.txt", MARKER),
    "xar": pack("xar", "fruit.txt", MARKER),
    "cab": cab(b"fruit.txt", MARKER),
    "lzh": lha(b"fruit.txt", MARKER),
    "4.rar": rar4(b"fruit.txt", MARKER),
    "5.rar": rar5(b"fruit.txt", MARKER),
}
PRESSED = {
    "gz": gzip.compress(MARKER),
    "2.gz": gzip.compress(MARKER[:6]) + gzip.compress(MARKER[6:]),
    "bz2": bz2.compress(MARKER),
    "xz": lzma.compress(MARKER),
    "lzma": lzma.compress(MARKER, lzma.FORMAT_ALONE),
    "zst": pack("raw", "fruit.txt", MARKER, press="zstd"),
    "lz4": pack("raw", "fruit.txt", MARKER, press="lz4"),
    "lz": pack("raw", "fruit.txt", MARKER, press="lzip"),
    "Z": pack("raw", "fruit.txt", MARKER, press="compress"),
}
ENCRYPTED = {
    cipher: pack("zip", "fruit.txt", MARKER, options=f"encryption={cipher}", password="pear")
    for cipher in ("zipcrypt", "aes128", "aes256")
}


@pytest.mark.parametrize("data", SAMPLES.values(), ids=SAMPLES)
def test_the_files_in_an_archive_are_found(data: bytes) -> None:
    items = read_archive(data)

    assert members(items)["fruit.txt"] == MARKER
    assert misses(items) == []
    assert "archive" in [
        each.reader for each in read_file(data, About()).found if isinstance(each, Opened)
    ]


@pytest.mark.parametrize("ending", PRESSED)
def test_a_compressed_file_is_opened(ending: str) -> None:
    items = list(compressed.read(PRESSED[ending], About(name=f"fruit.{ending}")))

    (name,) = members(items)
    assert name == f"fruit.{ending}".rpartition(".")[0]
    assert members(items)[name] == MARKER
    assert misses(items) == []


@pytest.mark.parametrize("name", [*SAMPLES, *PRESSED, *ENCRYPTED])
def test_every_format_is_read_in_the_cage(name: str, cage: Cage) -> None:
    data = {**SAMPLES, **PRESSED, **ENCRYPTED}[name]

    reading = cage.read(data, About(name=f"x.{name}", passwords=("apple", "pear")))

    assert MARKER.decode() in reading.text
    assert reading.misses == ()


def test_a_volume_of_udf_alone_is_a_miss() -> None:
    data = bytes(0x8001) + b"BEA01".ljust(2048, b"\0") + b"NSR02".ljust(2048, b"\0")

    assert read_file(data, About(name="disc.iso")).misses == ("format",)


def test_a_compressed_tar_in_a_zip_is_opened_to_its_letter() -> None:
    tar = pack("gnutar", "letter.eml", MAIL)

    reading = read_file(zipped(("backup.tgz", gzip.compress(tar))), About(name="all.zip"))

    assert "pineapple" in reading.text
    assert reading.names == ("backup.tgz", "backup.tar", "letter.eml")
    assert reading.misses == ()


# ---- ZIP: passwords, names, and headers that disagree --------------------------------------------


@pytest.mark.parametrize("data", ENCRYPTED.values(), ids=ENCRYPTED)
def test_an_encrypted_zip_opens_with_a_password_of_the_message(data: bytes) -> None:
    assert members(read_zip(data, "apple", "pear")) == {"fruit.txt": MARKER}
    for words in ((), ("apple", "plum")):
        items = read_zip(data, *words)
        assert (names(items), misses(items)) == (["fruit.txt"], ["encrypted"])


def test_no_wrong_password_is_taken_for_the_right_one() -> None:
    """One in 256 passes the check of ZipCrypto."""
    data = pack("zip", "fruit.txt", MARKER, options="encryption=zipcrypt", password="pear")

    for start in range(0, 900, 30):
        assert misses(read_zip(data, *map(str, range(start, start + 30)))) == ["encrypted"]


def test_the_names_in_an_encrypted_7z_are_read() -> None:
    items = read_archive(SEVEN_ENCRYPTED)

    assert (names(items), misses(items)) == (["turnip.txt"], ["encrypted"])
    assert misses(read_archive(SEVEN_SEALED)) == ["encrypted"]


def test_an_encrypted_rar_is_a_miss() -> None:
    record = b"\x01\0\0\x0f" + bytes(60)
    for data in (
        rar4(b"fruit.txt", MARKER, flags=4),
        rar5(b"fruit.txt", MARKER, extra=bytes((len(record),)) + record),
    ):
        items = read_archive(data)

        assert names(items) == ["fruit.txt"]
        assert members(items) == {}
        assert misses(items) == ["encrypted"]


def test_the_password_that_was_right_is_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    one = pack("zip", "fruit.txt", MARKER, options="encryption=zipcrypt", password="pear")
    data = one + one.replace(b"fruit.txt", b"fluit.txt")
    monkeypatch.setattr(zip_format, "TRIALS", 4)

    assert set(members(read_zip(data, "a", "b", "pear"))) == {"fruit.txt", "fluit.txt"}


@pytest.mark.parametrize(
    "name",
    ["../../etc/cron.d/x", "a\0b.txt", "\u202egpj.exe", "x" * 600, "C:\\x", "caf\u00e9 \u2615", ""],
)
def test_names_are_data(name: str) -> None:
    data = bytearray(zipped(("?" * len(name.encode()), MARKER)))
    data = data.replace(b"?" * len(name.encode()), name.encode()) if name else data

    items = read_zip(bytes(data))

    assert members(items) == {name: MARKER}


def test_names_in_a_7z_do_not_depend_on_the_locale() -> None:
    name = "caf\u00e9 \u2615.txt"
    code = (
        "import sys; from mailguard.extract.formats import archive; "
        "from mailguard.extract.item import About; "
        "print(*[ascii(i.name) for i in archive.read(sys.stdin.buffer.read(), About())][:1])"
    )

    for data in (pack("7zip", name, MARKER), pack("pax", name, MARKER)):
        answer = subprocess.run(
            [sys.executable, "-c", code],
            input=data,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
            check=True,
        )
        assert answer.stdout.decode() == "'caf\\xe9 \\u2615.txt'\n"


def test_a_name_with_a_nul_is_read_as_far_as_windows_shows_it_too() -> None:
    items = read_zip(zipped(("run.exe?.txt", MARKER)).replace(b"run.exe?", b"run.exe\0"))

    assert names(items) == ["run.exe"]
    assert members(items) == {"run.exe\0.txt": MARKER}


def test_both_names_of_a_file_are_read() -> None:
    data = zipped(("fruit.txt", MARKER))
    local = data.replace(b"fruit.txt", b"plums.txt", 1)

    items = read_zip(local)

    assert names(items) == ["plums.txt"]
    assert members(items) == {"fruit.txt": MARKER}


def test_a_file_that_the_directory_does_not_name_is_found() -> None:
    first, second = zipped(("first.txt", b"Hello")), zipped(("second.txt", MARKER))
    cut = first[: first.index(b"PK\1\2")]

    for data in (cut + second, first + second):
        items = read_zip(data)

        assert members(items) == {"first.txt": b"Hello", "second.txt": MARKER}
        assert Feature("unlisted") in items


def test_an_archive_without_its_end_is_read_as_far_as_it_goes() -> None:
    data = zipped(("first.txt", MARKER), ("second.txt", os.urandom(5000)))

    items = read_zip(data[:2000])

    assert members(items)["first.txt"] == MARKER
    assert "broken" in misses(items)


def test_a_broken_file_does_not_hide_the_next_one() -> None:
    data = bytearray(zipped(("first.txt", os.urandom(50)), ("second.txt", MARKER)))
    data[39] = 0xFF

    items = read_zip(bytes(data))

    assert members(items)["second.txt"] == MARKER
    assert misses(items) == ["broken"]


def test_the_size_in_the_header_does_not_cut_a_file() -> None:
    data = zipped(("fruit.txt", MARKER * 100))
    lying = data.replace(struct.pack("<I", 100 * len(MARKER)), struct.pack("<I", 5))

    assert members(read_zip(lying)) == {"fruit.txt": MARKER * 100}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_known(method: int) -> None:
    assert members(read_zip(zipped(("fruit.txt", MARKER * 9), method=method))) == {
        "fruit.txt": MARKER * 9
    }


def test_an_archive_behind_a_program_is_read() -> None:
    assert members(read_zip(b"MZ" + bytes(500) + zipped(("fruit.txt", MARKER)))) == {
        "fruit.txt": MARKER
    }


def test_comments_are_text() -> None:
    items = read_zip(zipped(("fruit.txt", b""), comment=MARKER))

    assert items.count(Text("comment", MARKER.decode())) == 2


def test_folders_and_links_are_names() -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as made:
        folder, link = tarfile.TarInfo("pineapple"), tarfile.TarInfo("plum")
        folder.type, link.type, link.linkname = tarfile.DIRTYPE, tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(folder)
        made.addfile(link)

    assert names(read_archive(target.getvalue())) == ["pineapple/", "plum"]
    assert names(read_zip(zipped(("pineapple/", b"")))) == ["pineapple/"]


# ---- bombs ---------------------------------------------------------------------------------------


def zeros(megabytes: int) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join([*(stream.compress(bytes(1 << 20)) for _ in range(megabytes)), stream.flush()])


def raw_zip(stream: bytes, copies: int = 1) -> bytes:
    """A ZIP archive whose directory names one stream many times (D. Fifield, 2019)."""
    local = struct.pack("<4sHHHIIIIHH", b"PK\3\4", 20, 0, 8, 0, 0, len(stream), 0, 1, 0) + b"a"
    central = struct.pack(
        "<4sHHHHIIIIHHHHHII", b"PK\1\2", 20, 20, 0, 8, 0, 0, len(stream), 0, 1, 0, 0, 0, 0, 0, 0
    )
    directory = (central + b"b") * copies
    start = len(local) + len(stream)
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, copies, copies, len(directory), start, 0)
    return local + stream + directory + end


def tar_sparse(size: int) -> bytes:
    """A tar whose one file is said to be `size` bytes of nothing (old GNU format)."""
    head = bytearray(512)
    head[:5], head[100:108], head[124:136] = b"a.txt", b"0000644\0", b"00000000000\0"
    head[124:136] = f"{512:011o}\0".encode()
    head[156:157], head[257:265] = b"S", b"ustar  \0"
    head[386:410] = f"{size - 512:011o}\0{512:011o}\0".encode()
    head[483:495] = f"{size:011o}\0".encode()
    head[148:156] = b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    return bytes(head) + b"x" * 512 + bytes(1024)


BOMBS = {
    "zip": lambda: raw_zip(zeros(60)),
    "overlap": lambda: raw_zip(zeros(5), 1000),
    "zip in zip": lambda: zipped(*((f"{n}.zip", raw_zip(zeros(8))) for n in range(20))),
    "7z": lambda: pack("7zip", "a.txt", bytes(12 << 20)),
    "gz": lambda: gzip.compress(bytes(30 << 20)),
    "bz2": lambda: bz2.compress(bytes(30 << 20)),
    "xz": lambda: lzma.compress(bytes(30 << 20), preset=0),
    "sparse tar": lambda: tar_sparse(1 << 31),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_stays_inside_the_limits(name: str) -> None:
    data = BOMBS[name]()
    begun = time.monotonic()

    reading = read_file(data, About(name=f"x.{name.split()[-1]}"))

    inside = [each for each in reading.found[1:] if isinstance(each, Opened)]
    assert {"bomb", "too_long"} & set(reading.misses)
    assert sum(each.size for each in inside) <= max(10 << 20, 100 * len(data))
    assert time.monotonic() - begun < 5


def test_a_file_inside_that_stops_at_the_ratio_is_a_bomb() -> None:
    data = zipped(*((f"{n}.zip", raw_zip(zeros(8) + os.urandom(60_000))) for n in range(2)))

    assert "bomb" in read_file(data, About(name="x.zip"), Limits(ratio=90)).misses


def test_an_archive_in_an_archive_and_so_on_ends() -> None:
    data = MAIL
    for _ in range(30):
        data = zipped(("again.zip", data))

    reading = read_file(data, About(name="again.zip"))

    assert reading.misses == ("too_deep",)


def test_what_unpacks_to_itself_ends() -> None:
    """R. Cox's gzip quine, in effect: below each layer there is another one."""
    data = MARKER
    for _ in range(60):
        data = gzip.compress(data)

    reading = read_file(data, About(name="x.gz"))

    assert reading.misses == ("too_deep",)
    assert members(list(compressed.read(data, About()))) == {"": gzip.decompress(data)}


def test_an_archive_of_very_many_names_ends() -> None:
    data = zipped(*((f"{n}/", b"") for n in range(6000)))
    tar = b"".join(tarfile.TarInfo(f"{n}").tobuf() for n in range(6000))

    assert misses(read_zip(data))[-1] == "too_many_parts"
    assert misses(read_archive(tar)) == ["too_many_parts"]


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\5\6" + bytes(18), b"Rar!\x1a\7\0" + bytes(50)])
def test_what_is_no_archive_is_a_miss_or_empty(data: bytes) -> None:
    assert members(read_zip(data)) == {}
    assert members(read_archive(data)) == {}


# The same examples every time: what is read is C, and would take the tests down with it.
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.sampled_from(
        [
            zipped(("fruit.txt", MARKER), ("more.txt", b"x" * 99)),
            pack("7zip", "fruit.txt", MARKER),
            cab(b"fruit.txt", MARKER),
            lha(b"fruit.txt", MARKER),
            rar4(b"fruit.txt", MARKER),
            rar5(b"fruit.txt", MARKER),
            gzip.compress(MARKER),
            SEVEN_SEALED,
        ]
    ),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 400),
)
def test_no_broken_archive_does_more_than_miss(
    data: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    broken = bytearray(data)
    for at, value in changes:
        broken[at % len(broken)] = value
    hostile = bytes(broken[: max(20, length)])

    for form in (zip_format, archive, compressed):
        for item in form.read(hostile, About(passwords=("pear",), room=1 << 20)):
            assert isinstance(item, Item)
