"""KV-cache blocks: who holds how many, which prompt prefixes are still in memory, and what is evicted first.

A block holds the keys and values of `BLOCK_TOKENS` tokens. A full block of a prompt has a hash that is chained over all
blocks before it, so that equal hashes mean equal prefixes (vLLM's automatic prefix caching). A block is private (one
sequence computes it), held (shared by count) or idle (in memory, used by nobody: evicted first, oldest first).
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from hashlib import blake2b
from typing import TypeAlias

BLOCK_TOKENS = 16

BlockHash: TypeAlias = Hashable


def blocks_for(tokens: int) -> int:
    """How many blocks that many tokens fill."""
    return -(-tokens // BLOCK_TOKENS)


def chained_hashes(prompt: bytes, block_bytes: int) -> list[BlockHash]:
    """One hash for each full block of a prompt's bytes, each chained to the one before it."""
    hashes: list[BlockHash] = []
    last = b""
    for start in range(0, len(prompt) - block_bytes + 1, block_bytes):
        last = blake2b(last + prompt[start : start + block_bytes], digest_size=8).digest()
        hashes.append(last)
    return hashes


class BlockPool:
    """The blocks of one engine. At all times `free + private + held + idle == total`."""

    __slots__ = ("_holders", "_idle", "private", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self.private = 0
        self._holders: dict[BlockHash, int] = {}
        self._idle: OrderedDict[BlockHash, None] = OrderedDict()

    @property
    def held(self) -> int:
        """Blocks of known content that at least one sequence uses."""
        return len(self._holders)

    @property
    def idle(self) -> int:
        """Blocks of known content that no sequence uses."""
        return len(self._idle)

    @property
    def free(self) -> int:
        """Blocks without content."""
        return self.total - self.private - self.held - self.idle

    @property
    def usage(self) -> float:
        """The share of blocks that sequences use; idle ones count as available, as in vLLM's gauge."""
        return (self.private + self.held) / self.total

    def match(self, hashes: Sequence[BlockHash], limit: int) -> int:
        """How many leading blocks, at most `limit`, are in memory."""
        found = 0
        for block in hashes[:limit]:
            if block not in self._holders and block not in self._idle:
                break
            found += 1
        return found

    def hold(self, matched: Sequence[BlockHash], private: int) -> bool:
        """Hold blocks that `match` found, and take `private` new ones; nothing is changed if they do not fit."""
        waking = sum(1 for block in matched if block in self._idle)
        if private > self.free + self.idle - waking:
            return False
        for block in matched:
            self._idle.pop(block, None)
            self._holders[block] = self._holders.get(block, 0) + 1
        return self.take(private)

    def take(self, count: int) -> bool:
        """Take private blocks, evicting the idle ones that were used longest ago; False if there are not enough."""
        missing = count - self.free
        if missing > self.idle:
            return False
        for _ in range(missing):
            self._idle.popitem(last=False)
        self.private += count
        return True

    def publish(self, computed: Iterable[BlockHash]) -> None:
        """Private blocks become shared under their hashes. One that is already known gives its memory back."""
        for block in computed:
            self.private -= 1
            self._idle.pop(block, None)
            self._holders[block] = self._holders.get(block, 0) + 1

    def release(self, held: Sequence[BlockHash], private: int) -> None:
        """Give blocks back. The end of a prefix becomes the first to be evicted, since it is of least use alone."""
        self.private -= private
        for block in reversed(held):
            holders = self._holders[block] - 1
            if holders:
                self._holders[block] = holders
            else:
                del self._holders[block]
                self._idle[block] = None
