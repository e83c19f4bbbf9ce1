"""Floor 1: the words of the domain, as frozen values without I/O.

Every other floor speaks in these values; this one imports nothing of ours.
May import: the standard library's pure parts and msgspec.
A value that only one floor needs does not belong here.
"""
