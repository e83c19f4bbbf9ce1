"""Identities: of a worker's life, of a request, of a key.

A request's id is `req_<worker>_<sequence>`: the same two parts are its place in the journal and its row in the ledger,
so one word finds a request in the answer, the log, the trace and the books.
"""

from typing import TypeAlias

WorkerId: TypeAlias = str
RequestId: TypeAlias = str

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u


def base32(number: int, width: int) -> str:
    """A number in Crockford's base 32, most significant digit first, zero-padded to `width`."""
    digits = [_ALPHABET[(number >> shift) & 31] for shift in range((width - 1) * 5, -1, -5)]
    return "".join(digits)


def worker_id(wall: float, entropy: int) -> WorkerId:
    """A name for one life of a worker: milliseconds (sortable) and 40 random bits; 17 characters."""
    return base32(int(wall * 1000), 9) + base32(entropy, 8)


def request_id(worker: WorkerId, sequence: int) -> RequestId:
    """The public name of a worker's request number `sequence`."""
    return f"req_{worker}_{sequence}"


def response_id(request: RequestId) -> str:
    """The public name of the response that is kept for a request."""
    return f"resp_{request.removeprefix('req_')}"


def parse_request_id(text: str) -> tuple[WorkerId, int]:
    """Worker and sequence of a request id; raises ValueError if it is none."""
    prefix, _, rest = text.partition("_")
    worker, _, sequence = rest.partition("_")
    if prefix != "req" or not worker or not sequence.isascii() or not sequence.isdigit():
        raise ValueError(f"{text!r} is not a request id; they look like req_0r2k8x…_42")
    return worker, int(sequence)
