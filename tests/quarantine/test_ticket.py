import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.quarantine.ticket import (
    TOKEN_BYTES,
    address_for,
    hash_token,
    read_token,
    write_token,
)

DOMAIN = "elmpark.example"
TOKEN = write_token(bytes(range(TOKEN_BYTES)))


@given(st.binary(min_size=TOKEN_BYTES, max_size=TOKEN_BYTES))
def test_every_token_is_read_from_its_address(random_bytes: bytes) -> None:
    token = write_token(random_bytes)

    address = address_for(token, DOMAIN)

    assert (token, token) == (read_token(address, DOMAIN), read_token(address.upper(), DOMAIN))
    assert len(address.partition("@")[0]) <= 64  # RFC 5321 §4.5.3.1.1


@pytest.mark.parametrize(
    "address",
    [
        "",
        "release@elmpark.example",
        "release+@elmpark.example",
        f"release+{TOKEN}",
        f"release+{TOKEN}@other.example",
        f"release+{TOKEN}@sub.elmpark.example",
        f"release+{TOKEN}x@elmpark.example",
        f"release+{TOKEN[:-1]}@elmpark.example",
        f"release+{TOKEN[:-1]}1@elmpark.example",
        f"xrelease+{TOKEN}@elmpark.example",
        f"release+{TOKEN}\n@elmpark.example",
    ],
)
def test_no_other_address_has_one(address: str) -> None:
    assert "" == read_token(address, DOMAIN)


@given(st.text())
def test_anything_at_all_can_be_asked(address: str) -> None:
    assert "" == read_token(address, DOMAIN)


def test_a_school_without_a_domain_has_none() -> None:
    assert "" == read_token(f"release+{TOKEN}@", "")


def test_its_hash_tells_nothing_of_it() -> None:
    assert 64 == len(hash_token(TOKEN))
    assert TOKEN not in hash_token(TOKEN)
