"""Keys: their form, and the only form in which they are kept."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.policy.keys import check_format, digest, write_key

entropies = st.binary(min_size=32, max_size=32)


@given(entropies)
def test_a_key_carries_its_own_proof(entropy: bytes) -> None:
    key = write_key(entropy)
    assert check_format(key)
    assert key.startswith("itk_") and len(key) == 53


@given(entropies, st.data())
def test_a_mistyped_key_is_noticed(entropy: bytes, data: st.DataObject) -> None:
    key = write_key(entropy)
    at = data.draw(st.integers(4, len(key) - 1))
    wrong = data.draw(st.characters(min_codepoint=33, max_codepoint=0x2FF).filter(lambda c: c != key[at]))
    assert not check_format(key[:at] + wrong + key[at + 1 :])
    assert not check_format(key[:at])


@given(st.text())
def test_any_other_text_is_no_key(text: str) -> None:
    assert not check_format(text)


@given(entropies, entropies)
def test_different_randomness_makes_different_keys(one: bytes, other: bytes) -> None:
    assert (write_key(one) == write_key(other)) == (one == other)


def test_a_key_needs_256_bits() -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        write_key(b"short")


def test_the_digest_is_keyed_by_the_pepper() -> None:
    key = b"itk_x"
    assert digest(b"pepper", key) == hashlib.blake2b(key, key=b"pepper", digest_size=32).hexdigest()
    assert digest(b"pepper", key) != digest(b"salt", key)
