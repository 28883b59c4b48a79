"""Where somebody in need is helped at once, as shown unless the school names others."""

from datetime import date

DEFAULT_HELPLINES = (
    "In danger now: 999",
    "Childline (for children and young people): 0800 1111",
    "NSPCC (for adults worried about a child): 0808 800 5000",
    "Samaritans: 116 123",
)

CHECKED_ON = date(2026, 11, 23)
"""When these numbers were last compared with what we have in writing."""
