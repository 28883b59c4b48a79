"""What a message consists of: its parts, what is wrong with them, and what could not be read."""

from dataclasses import dataclass

AMBIGUITIES = frozenset(
    {
        "two_content_types",
        "two_transfer_encodings",
        "two_boundaries",
        "two_extensions",
        "broken_header",
        "odd_header",
        "odd_content_type",
        "odd_transfer_encoding",
        "encoded_container",
        "lost_boundary",
        "stray_delimiter",
        "misaligned_base64",
        "nul_bytes",
        "bare_cr",
        "bare_lf",
        "too_many_readings",
    }
)
"""Defects about which mail programs differ so that they show other parts: `mime_ambiguous`."""

FINDS = frozenset(
    {
        "text_outside",
        "text_in_header",
        "text_in_base64",
        "quoted_part",
        "other_filename",
        "other_charset",
        "hidden_base64",
        "hidden_quoted_printable",
        "uuencoded",
        "yencoded",
        "binhex",
        "opaque_content",
    }
)
"""Defects behind which something was found that is no reason for doubt: it is read as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One leaf of the MIME tree, decoded from its transfer encoding."""

    number: str
    """Where it is, as in IMAP: ``1``, ``2.1``; parts of an enclosed message continue its number.
    One with ``~``, such as ``2~1``, is what only other readers see at part 2."""

    content_type: str
    """Declared type in lower case, e.g. ``text/plain``. A ``multipart/`` or ``message/`` type is
    one that could not or must not be opened: `data` is then all of it, headers included."""

    charset: str
    """Declared charset in lower case, ``""`` when none."""

    is_attachment: bool
    """Not the message's own text: Content-Disposition says so, or it is of a type that readers do
    not show as text, or it belongs to an enclosed message."""

    filename: str
    """Decoded name (RFC 2231, RFC 2047 and raw 8-bit alike), ``""`` if none. Data, never a path."""

    data: bytes
    """The content, transfer encoding removed; as much as could be decoded."""

    @property
    def is_text(self) -> bool:
        """Whether its declared type says that it is text, of mail itself if not of people."""
        return self.content_type.startswith(("text/", "message/", "multipart/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """Something wrong with the message's form. Harmless ones are common; detectors may look."""

    part: str
    name: str
    """A stable snake_case word. In headers: ``folded_line_without_field``, ``from_line_in_header``,
    ``blank_folded_line``, ``space_before_colon``, ``no_blank_line_after_header``,
    ``two_filenames``, ``too_many_mailboxes``; in multiparts: ``no_boundary``,
    ``no_start_boundary``, ``no_close_boundary``, ``encoded_multipart``; in content:
    ``broken_base64``, ``padding_inside_base64``, ``unknown_transfer_encoding``.

    Where a reader may see parts that the strict view has not, what they differ about: see
    :data:`AMBIGUITIES` and :data:`FINDS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A part that was not, or not wholly, read; becomes an `unscanned` finding."""

    part: str
    """Part number; ``""`` for the message as a whole."""

    reason: str
    """A stable snake_case word. From parsing: ``too_deep``, ``too_many_parts``,
    ``header_too_big``, ``encrypted``, ``partial``, ``external``,
    ``transfer_encoding``, ``mime_ambiguous`` (mail programs differ about what is in the message;
    a Defect says why); from looking: ``too_long``, ``image``, ``audio``, ``video``, ``format``, or
    what the Extract says."""


Found = Part | Defect | Unread
"""What reading yields."""
