"""Opens OpenDocument files that take a password (ODF 1.3 part 2 §3.4, §4.8): each part by itself,
or, since LibreOffice 24.2, all of it as one zip file in another."""

import base64
import hashlib
import hmac
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from mailguard.extract.office.cipher import Work, decrypt_aes_cbc, decrypt_blowfish
from mailguard.extract.office.markup import End, Event, Start

WHOLE = "encrypted-package"
"""The one part that holds all others."""

_FIRST = ("content.xml", "styles.xml", "meta.xml")
"""What is read before the work for the rest may run out: each part has a key of its own."""

_CHECKED = 1024
"""Bytes that the checksum of a part covers (§4.8.4)."""

_MEMORY = 1 << 18
"""KiB that Argon2 may take: four times what LibreOffice asks for."""

_START, _TAG = 12, 16
_FAULTS = (ValueError, KeyError, zlib.error, InvalidTag, MemoryError, OverflowError)


@dataclass(slots=True, kw_only=True)
class Seal:
    """How one part is encrypted, as the manifest says."""

    elements: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def get(self, element: str, name: str, default: str = "") -> str:
        """An attribute of one of the elements that tell it."""
        return self.elements.get(element, {}).get(name, default)

    def start_key(self, word: str) -> bytes:
        """What stands for the password (§4.8.13)."""
        kind = self.get("start-key-generation", "start-key-generation-name", "sha1")
        algorithm = "sha256" if kind.endswith("sha256") else "sha1"
        return hashlib.new(algorithm, word.encode()).digest()

    def key(self, word: str, work: Work) -> bytes | None:
        """The key that `word` gives, ``None`` if that would be too much work."""
        told = self.elements["key-derivation"]
        size = int(told.get("key-size", "16"))
        salt = base64.b64decode(told["salt"])
        if "argon2" in told.get("key-derivation-name", "").lower():
            rounds, memory = int(told["argon2-iterations"]), int(told["argon2-memory"])
            if not 0 < memory <= _MEMORY or not work.take(2 * rounds * memory):
                return None
            lanes = int(told["argon2-lanes"])
            maker = Argon2id(
                salt=salt, length=size, iterations=rounds, lanes=lanes, memory_cost=memory
            )
            return maker.derive(self.start_key(word))
        rounds = int(told["iteration-count"])
        if rounds < 1 or not work.take(rounds):
            return None
        return hashlib.pbkdf2_hmac("sha1", self.start_key(word), salt, rounds, size)

    def undo(self, key: bytes, content: bytes) -> bytes | None:
        """The packed content, ``None`` if this is not the key."""
        cipher = self.get("algorithm", "algorithm-name").lower()
        start = base64.b64decode(self.get("algorithm", "initialisation-vector"))
        if cipher.endswith("gcm"):
            if len(content) < _START + _TAG:
                return None
            return AESGCM(key).decrypt(content[:_START], content[_START:], None)
        if "aes" in cipher:
            plain = decrypt_aes_cbc(key, start, content)
            plain = plain[: len(plain) - plain[-1]] if plain else b""
        else:
            plain = decrypt_blowfish(key, start, content)
        kind = self.get("encryption-data", "checksum-type").lower()
        is_short = kind.endswith("1k")
        checked = plain[:_CHECKED] if is_short else plain
        found = hashlib.new("sha256" if "sha256" in kind else "sha1", checked).digest()
        expected = base64.b64decode(self.get("encryption-data", "checksum"))
        return plain if hmac.compare_digest(found, expected) else None


def read_seals(events: Iterable[Event]) -> dict[str, Seal]:
    """How each part is encrypted that is, by its name."""
    seals: dict[str, Seal] = {}
    path, seal = "", Seal()
    for event in events:
        if isinstance(event, End):
            if event.name == "encryption-data":
                seals[path] = seal
        elif isinstance(event, Start):
            if event.name == "file-entry":
                path, seal = event.get("full-path"), Seal()
            seal.elements[event.name] = event.attributes
    return seals


def unlock_odf(
    parts: Mapping[str, Callable[[], bytes]],
    seals: Mapping[str, Seal],
    passwords: Iterable[str],
    room: int,
) -> tuple[bytes, bool] | None:
    """A zip file of at most `room` bytes without encryption, and whether it has all parts; ``None``
    if no word opens it.

    `parts` are the parts of the file by name; what reads them may raise.
    """
    work = Work()
    probe = next((name for name in (WHOLE, *_FIRST, *seals) if name in seals and name in parts), "")
    if not probe:
        return None
    for word in work.words(passwords):
        opened = _open(seals[probe], word, parts[probe](), room, work)
        if opened is None:
            continue
        if probe == WHOLE:
            return opened
        return _whole(parts, seals, word, room, work)
    return None


def _whole(
    parts: Mapping[str, Callable[[], bytes]],
    seals: Mapping[str, Seal],
    word: str,
    room: int,
    work: Work,
) -> tuple[bytes, bool]:
    is_whole = True
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in _ordered(parts):
            if name not in seals:
                # The manifest would say again that all is encrypted.
                content, is_all = (b"" if name.endswith("manifest.xml") else parts[name]()), True
            else:
                content, is_all = _open(seals[name], word, parts[name](), room, work) or (
                    b"",
                    False,
                )
            room -= len(content)
            is_whole = is_whole and is_all
            if content:
                archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue(), is_whole


def _ordered(parts: Mapping[str, Callable[[], bytes]]) -> Iterator[str]:
    yield from (name for name in ("mimetype", *_FIRST) if name in parts)
    yield from (name for name in parts if name not in ("mimetype", *_FIRST))


def _open(
    seal: Seal, word: str, content: bytes, room: int, work: Work
) -> tuple[bytes, bool] | None:
    """A part in the clear, at most `room` bytes of it, and whether that is all."""
    try:
        key = seal.key(word, work)
        packed = seal.undo(key, content) if key else None
        if packed is None:
            return None
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        plain = stream.decompress(packed, max(1, room))
        return plain, stream.eof
    except _FAULTS:
        return None
