"""Keys: how they are written, and the only form in which they are kept.

A key is `itk_`, 43 characters for 256 random bits, and 6 for a checksum (CRC-32 of all before it), in base 62: a
mistyped or cut key is told apart from an unknown one without asking anybody, and secret scanners can be certain.
"""

import hashlib
import zlib

from intertie.core.principal import KEY_PREFIX

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_CHARS = 43  # 62 ** 43 > 2 ** 256
_CHECK_CHARS = 6  # 62 ** 6 > 2 ** 32
_LENGTH = len(KEY_PREFIX) + _SECRET_CHARS + _CHECK_CHARS

PEPPER_BYTES = 32


def write_key(entropy: bytes) -> str:
    """The key for 32 random bytes; raises ValueError for any other number of them."""
    if len(entropy) != 32:
        raise ValueError("a key is made of 32 random bytes")
    body = KEY_PREFIX + _base62(int.from_bytes(entropy), _SECRET_CHARS)
    return body + _checksum(body)


def check_format(key: str) -> bool:
    """Whether the text is a key as `write_key` writes them, by length, alphabet and checksum."""
    if len(key) != _LENGTH or not key.startswith(KEY_PREFIX) or not key.isascii() or not key[4:].isalnum():
        return False
    return _checksum(key[:-_CHECK_CHARS]) == key[-_CHECK_CHARS:]


def digest(pepper: bytes, key: bytes) -> str:
    """The keyed digest (BLAKE2b, 256 bits, hex) under which a key is stored and looked up."""
    return hashlib.blake2b(key, key=pepper, digest_size=32).hexdigest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECK_CHARS)


def _base62(number: int, width: int) -> str:
    digits: list[str] = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
