"""TLS without a socket, for both directions, and the certificate that our listeners show.

The loop's own `start_tls` is not used: it loses what a client has sent before it is called (a
ClientHello behind a PROXY header), and hides what was sent in the clear behind STARTTLS.
"""

import contextlib
import ssl
from enum import StrEnum
from pathlib import Path

from mailguard import events
from mailguard.errors import MailGuardError

_PIECE = 65536
"""Bytes taken out of the layer at a time; a record holds 16,384."""


class TlsFailed(MailGuardError):
    """No handshake, or a broken record. The reason is OpenSSL's word for it, never content."""


class ListenerTls(StrEnum):
    """What a listener does about TLS."""

    NONE = "none"
    MAY = "may"
    """STARTTLS is offered."""

    REQUIRE = "require"
    """No mail before STARTTLS."""

    IMPLICIT = "implicit"
    """The connection begins with TLS, as on port 465 (RFC 8314 §3.3)."""


class NextHopTls(StrEnum):
    """What we do about the next hop's TLS."""

    NONE = "none"
    MAY = "may"
    """Where it is offered, with any certificate; in the clear where it fails."""

    REQUIRE = "require"
    """Or no mail; any certificate will do."""

    VERIFY = "verify"
    """Or no mail; the certificate must name the next hop, and be signed by one this machine
    trusts."""


class TlsLayer:
    """One TLS connection: ciphertext and plaintext in, plaintext and ciphertext out."""

    def __init__(
        self, context: ssl.SSLContext, *, is_server: bool, host: str | None = None
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=is_server, server_hostname=host
        )
        self.is_ready = False
        """The handshake is done."""

        self.is_over = False
        """The other side has said that it sends no more."""

    @property
    def description(self) -> str:
        """Version and cipher: ``TLSv1.3 TLS_AES_256_GCM_SHA384``."""
        cipher = self._tls.cipher()
        return f"{self._tls.version()} {cipher[0] if cipher else ''}"

    def begin(self) -> None:
        """Write the client's hello; only for the client's side."""
        self._shake_hands()

    def feed(self, ciphertext: bytes) -> bytes:
        """Return the plaintext that is complete now. Raises TlsFailed; :meth:`take` then has what
        the other side is to be told."""
        self._incoming.write(ciphertext)
        if not self.is_ready:
            self._shake_hands()
        return self._read() if self.is_ready else b""

    def write(self, plaintext: bytes) -> None:
        """Encrypt; :meth:`take` has the result. Raises TlsFailed."""
        try:
            self._tls.write(plaintext)
        except ssl.SSLError as error:
            raise _failure(error) from error

    def close(self) -> None:
        """Say that we send no more, where that can still be said."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()

    def take(self) -> bytes:
        """The ciphertext that is to be sent."""
        return self._outgoing.read()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise _failure(error) from error
        self.is_ready = True

    def _read(self) -> bytes:
        pieces = []
        try:
            while piece := self._tls.read(_PIECE):
                pieces.append(piece)
            self.is_over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.is_over = True
        except ssl.SSLError as error:
            raise _failure(error) from error
        return b"".join(pieces)


class Certificate:
    """A listener's certificate and key, read again when their files change."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises OSError, or ssl.SSLError which is one, when they cannot be used."""
        self._certificate = certificate
        self._key = key
        self._marks = self._look()
        self._context = server_context(certificate, key)

    def context(self) -> ssl.SSLContext:
        """For the next handshake. New files that cannot be used are reported once, and the old
        certificate is kept: half of a renewal is not the end of all mail."""
        marks = self._look()
        if marks != self._marks:
            self._marks = marks
            try:
                self._context = server_context(self._certificate, self._key)
            except OSError as error:
                events.certificate_unusable(str(self._certificate), error)
        return self._context

    def _look(self) -> tuple[int, ...]:
        """What changes when a file does; nothing when one is gone."""
        try:
            stats = [path.stat() for path in (self._certificate, self._key)]
        except OSError:
            return ()
        return tuple(n for stat in stats for n in (stat.st_ino, stat.st_mtime_ns, stat.st_size))


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and 1.3 with this certificate. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # Without a word of ours OpenSSL would ask for a passphrase on the terminal.
    context.load_cert_chain(certificate, key, password=_no_passphrase)
    return context


def client_context(policy: NextHopTls) -> ssl.SSLContext:
    """TLS 1.2 and 1.3 towards a next hop."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if policy is not NextHopTls.VERIFY:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_passphrase() -> bytes:
    return b""


def _failure(error: Exception) -> TlsFailed:
    reason = getattr(error, "verify_message", "") or getattr(error, "reason", "")
    return TlsFailed(str(reason or type(error).__name__))
