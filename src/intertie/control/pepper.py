"""The pepper: the secret that keys the digests of keys and signs session tokens, the same for a gateway's whole life.

It comes from the setting `secret` (the same on every gateway that shares a database), or from `<state>/pepper`, made
once. Whoever loses it must make all keys anew.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from intertie.core.faults import ConfigFault
from intertie.policy.keys import PEPPER_BYTES


def pepper_of(state: Path, secret: str, entropy: Callable[[int], bytes] = os.urandom) -> bytes:
    """The pepper, made (readable by the owner only) if there is none yet.

    Raises ConfigFault if the file is not one, or cannot be read or written.
    """
    if secret:
        return hashlib.blake2b(secret.encode(), digest_size=PEPPER_BYTES, person=b"intertie-pepper").digest()
    path = state / "pepper"
    try:
        if not path.exists():
            _make(path, entropy(PEPPER_BYTES))
        pepper = path.read_bytes()
    except OSError as error:
        raise ConfigFault(f"the pepper cannot be kept: {error.strerror}", file=str(path)) from error
    if len(pepper) != PEPPER_BYTES:
        raise ConfigFault(
            f"this is not a pepper of {PEPPER_BYTES} bytes", file=str(path), hint="restore it from a backup"
        )
    return pepper


def _make(path: Path, pepper: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".pepper.{os.getpid()}")
    write_private(draft, pepper)
    with contextlib.suppress(FileExistsError):  # somebody else was first: theirs holds
        os.link(draft, path)
    draft.unlink()


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, and see it on disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
