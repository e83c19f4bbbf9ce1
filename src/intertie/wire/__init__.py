"""Floor 3: HTTP/1.1 on uvloop and httptools, both sides, protocol to protocol; and the link between processes.

Knows bytes, connections, deadlines and backpressure; knows nothing of models, keys or money.
May import: core, config (for limits).
"""
