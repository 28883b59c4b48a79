"""Name transactions, so that their log lines, replies and evidence can be found."""

import base64
import secrets
from datetime import datetime

from mailguard.mail.envelope import QueueId


def make_queue_id(now: datetime) -> QueueId:
    """Sixteen letters and digits: 48 bits of milliseconds, then 32 of chance. They sort by time,
    and worker processes need not agree on them."""
    milliseconds = int(now.timestamp() * 1000)
    number = milliseconds << 32 | secrets.randbits(32)
    return QueueId(base64.b32hexencode(number.to_bytes(10)).decode("ascii"))
