"""The short name by which people speak of a held message."""

PREFIX = "MG-"

LENGTH = 6
"""Characters of the id's end: a thousand million different ones, still short on the phone."""


def reference_of(held_id: str) -> str:
    """Return the reference of a held message, like ``MG-7K3QFM``: the end of its id, which is
    random."""
    return PREFIX + held_id[-LENGTH:]
