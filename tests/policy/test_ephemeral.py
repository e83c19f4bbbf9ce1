"""Ephemeral keys hold what they were written with, and nobody without the pepper can write one."""

from hypothesis import given
from hypothesis import strategies as st

from intertie.policy.ephemeral import Ephemeral, read_ephemeral, write_ephemeral

PEPPER = b"p" * 32
HELD = Ephemeral("d" * 64, 1_000, "voice", b'{"voice":"marin"}')


@given(st.text(max_size=64), st.integers(1, 1 << 40), st.text(max_size=40), st.binary(max_size=500))
def test_what_is_written_is_read(digest: str, expires: int, model: str, session: bytes) -> None:
    held = Ephemeral(digest, expires, model, session)
    text = write_ephemeral(PEPPER, held)
    assert text.startswith("ek_") and text[3:].replace("-", "").replace("_", "").isalnum()
    assert read_ephemeral(PEPPER, text, expires - 1) == held
    assert read_ephemeral(PEPPER, text, expires) is None


@given(st.integers(0), st.integers(0, 7))
def test_a_changed_bit_makes_it_worthless(place: int, bit: int) -> None:
    text = bytearray(write_ephemeral(PEPPER, HELD).encode())
    place = 3 + place % (len(text) - 4)  # the last letter may have bits that mean nothing
    text[place] ^= 1 << bit
    assert read_ephemeral(PEPPER, text.decode("latin-1"), 0) is None


@given(st.text(max_size=200))
def test_nonsense_is_no_key(text: str) -> None:
    assert read_ephemeral(PEPPER, "ek_" + text, 0) is None


def test_another_pepper_is_another_house() -> None:
    assert read_ephemeral(b"q" * 32, write_ephemeral(PEPPER, HELD), 0) is None
