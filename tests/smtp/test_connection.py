"""What our protocol takes from aiosmtpd is there, without aiosmtpd's own __init__."""

import dis
import types
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from mailguard.smtp.connection import RelayProtocol

INHERITED = (
    "connection_made",
    "connection_lost",
    "_cb_client_connected",
    "_create_session",
    "_create_envelope",
    "_set_rset_state",
    "_set_post_data_state",
)
"""Methods of aiosmtpd that run."""


@pytest.mark.parametrize("name", INHERITED)
async def test_every_attribute_that_an_inherited_method_reads_is_set(name: str) -> None:
    stock = SMTP(object(), hostname="mg.example")
    code: types.CodeType = getattr(SMTP, name).__code__
    read = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_ATTR"}
    wanted = {attribute for attribute in read if attribute in vars(stock)}
    unused: Any = None

    ours = RelayProtocol(unused, set())

    assert set() == {attribute for attribute in wanted if attribute not in vars(ours)}
