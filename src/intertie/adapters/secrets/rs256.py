"""RSA signatures with SHA-256 (RS256 of RFC 7518), for the assertions of service accounts."""

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def sign(key: str, data: bytes) -> bytes:
    """The signature by a PEM private key. Raises ValueError if it is none of RSA."""
    loaded = load_pem_private_key(key.encode(), None)
    if not isinstance(loaded, RSAPrivateKey):
        raise ValueError
    return loaded.sign(data, PKCS1v15(), SHA256())
