"""Frames between a process and its worker: an 8-byte big-endian length, then so many bytes."""

import struct

LENGTH = struct.Struct(">Q")

ANSWER_LIMIT = 20 << 20
"""Bytes of a worker's answer. A report of capped findings stays below 1 MB; a worker that a hostile
file has taken over could send anything."""
