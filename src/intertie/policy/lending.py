"""How much is lent: large slices while there is plenty, so that workers seldom ask; the exact need near the end."""

_SHARES_PER_WORKER = 4
_LARGEST_SHARE = 16


def slice_of(cap: int, available: int, workers: int) -> int:
    """What may be lent at once beyond any need.

    A quarter of a worker's even share of what is left, so slices shrink as the account runs out and nobody ends up
    with all of it; never more than a sixteenth of the cap, which is what a worker that is cut off could keep idle.
    """
    return max(0, min(available // (_SHARES_PER_WORKER * max(1, workers)), cap // _LARGEST_SHARE))
