"""Configurations of other gateways, read as ours: `litellm`, `portkey`.

Pure: bytes in, a `Draft` out. What has no counterpart here is told with its line and the reason; nothing is left out in
silence, because every key that nobody takes is told of (`foreign.Section`). The draft is written by `draft`.
May import: core, config, catalog.
"""
