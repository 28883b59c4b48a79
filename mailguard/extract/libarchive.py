"""Reads archives in memory, as streams, with the few calls of libarchive (C) that it takes.

It reads hostile bytes, so nothing but the format readers uses it, inside the cage. Formats and
filters are named one by one: of the others some start programs or look at files (lrzip, mtree).
"""

import contextlib
import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

FORMATS = ("7zip", "rar", "rar5", "cab", "iso9660", "lha", "cpio", "ar", "tar", "xar")
"""What is one file with many inside. ZIP is left out: see formats/zip.py."""

FILTERS = ("gzip", "bzip2", "xz", "lzma", "lzip", "zstd", "lz4", "compress")
"""What packs one stream of bytes."""

_BLOCK = 1 << 18
_EOF, _WARN, _FAILED = 1, -20, -25
_UNKNOWN = (b"support unavailable", b"unsupported", b"not supported", b"codec id")
_TYPE, _REGULAR, _UNSET = 0o170000, 0o100000, 0

# By the name that its ABI has: `find_library` starts programs to learn it.
_library = ctypes.CDLL("libarchive.so.13")
_libc = ctypes.CDLL(None)
_INT, _POINTER, _SIZE = ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t
_CALLS: dict[str, tuple[object, ...]] = {
    "read_new": (_POINTER,),
    "read_free": (_INT, _POINTER),
    "read_add_passphrase": (_INT, _POINTER, ctypes.c_char_p),
    "read_set_options": (_INT, _POINTER, ctypes.c_char_p),
    "read_open_memory": (_INT, _POINTER, ctypes.c_char_p, _SIZE),
    "read_next_header": (_INT, _POINTER, ctypes.POINTER(_POINTER)),
    "read_data": (ctypes.c_ssize_t, _POINTER, _POINTER, _SIZE),
    "read_has_encrypted_entries": (_INT, _POINTER),
    "error_string": (ctypes.c_char_p, _POINTER),
    "entry_pathname": (ctypes.c_char_p, _POINTER),
    "entry_pathname_utf8": (ctypes.c_char_p, _POINTER),
    "entry_symlink": (ctypes.c_char_p, _POINTER),
    "entry_hardlink": (ctypes.c_char_p, _POINTER),
    "entry_filetype": (_INT, _POINTER),
    "entry_is_encrypted": (_INT, _POINTER),
    **{f"read_support_format_{name}": (_INT, _POINTER) for name in (*FORMATS, "raw", "zip")},
    **{f"read_support_filter_{name}": (_INT, _POINTER) for name in FILTERS},
}
for _name, (_result, *_arguments) in _CALLS.items():
    _function = getattr(_library, f"archive_{_name}")
    _function.restype, _function.argtypes = _result, _arguments

# libarchive turns names into the charset of the locale, and forgets those that do not fit.
_LC_CTYPE_MASK = 1
_libc.newlocale.restype, _libc.uselocale.restype = _POINTER, _POINTER
_libc.newlocale.argtypes = (_INT, ctypes.c_char_p, _POINTER)
_libc.uselocale.argtypes = (_POINTER,)
_UTF8 = _libc.newlocale(_LC_CTYPE_MASK, b"C.UTF-8", None)


class Unreadable(Exception):
    """The archive, or what is left of it, cannot be read; `reason` is a reader's ``Miss``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of an archive. It can be read until the next one is asked for."""

    name: str
    """As stored: it may climb out of folders, and is data only."""

    is_file: bool
    is_encrypted: bool
    _archive: "_Archive"

    def read(self, limit: int) -> tuple[bytes, str]:
        """Return at most `limit` bytes, and why that is not all (``""`` when it is)."""
        pieces: list[bytes] = []
        size = 0
        block = ctypes.create_string_buffer(min(_BLOCK, limit + 1))
        while count := _library.archive_read_data(self._archive.at, block, len(block)):
            if count < 0:
                return b"".join(pieces), _reason(self._archive.at)
            pieces.append(ctypes.string_at(block, min(count, limit - size)))
            size += count
            if size > limit:
                return b"".join(pieces), "too_long"
        return b"".join(pieces), ""


class _Archive:
    """An open archive: lives, and its bytes with it, while it or one of its entries is known."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = _library.archive_read_new()
        if not self.at:
            raise MemoryError

    def __del__(self) -> None:
        _library.archive_read_free(self.at)


def unpack(
    data: bytes,
    formats: tuple[str, ...],
    filters: tuple[str, ...] = (),
    password: str = "",
    options: str = "",
) -> Iterator[Entry]:
    """Yield each entry of the archive; raises :class:`Unreadable` where it cannot go on."""
    archive = _Archive(data)
    for name in formats:
        getattr(_library, f"archive_read_support_format_{name}")(archive.at)
    for name in filters:
        getattr(_library, f"archive_read_support_filter_{name}")(archive.at)
    if password:
        _library.archive_read_add_passphrase(archive.at, password.encode())
    if options:
        _library.archive_read_set_options(archive.at, options.encode())
    with _utf8():
        status = _library.archive_read_open_memory(archive.at, data, len(data))
    while status >= _WARN:
        entry = _POINTER()
        with _utf8():
            status = _library.archive_read_next_header(archive.at, ctypes.byref(entry))
            if status == _EOF:
                return
            found = _describe(archive, entry) if status >= _WARN else None
        if found:
            yield found
    raise Unreadable(_reason(archive.at))


def _describe(archive: _Archive, entry: ctypes.c_void_p) -> Entry:
    name = _library.archive_entry_pathname_utf8(entry) or _library.archive_entry_pathname(entry)
    kind = _library.archive_entry_filetype(entry) & _TYPE
    is_link = _library.archive_entry_symlink(entry) or _library.archive_entry_hardlink(entry)
    return Entry(
        name=(name or b"").decode("utf-8", "replace"),
        is_file=kind in (_REGULAR, _UNSET) and not is_link,
        is_encrypted=bool(_library.archive_entry_is_encrypted(entry)),
        _archive=archive,
    )


def _reason(archive: int) -> str:
    """Why libarchive gave up. Its words alone tell what it does not know from what is broken."""
    words = (_library.archive_error_string(archive) or b"").lower()
    if b"crypt" in words or b"passphrase" in words:
        return "encrypted"
    if any(word in words for word in _UNKNOWN):
        return "format"
    return "broken"


@contextlib.contextmanager
def _utf8() -> Iterator[None]:
    """Let this thread, and no other, have a UTF-8 locale."""
    before = _libc.uselocale(_UTF8)
    try:
        yield
    finally:
        _libc.uselocale(before)
