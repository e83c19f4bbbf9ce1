"""One small module per system that can be measured: its version, its configuration, how it is started.

Each has one `SYSTEM` (see `bench.system.System`); `line_up` lists them in the order of the tables.
May import: bench.system, and nothing of each other.
"""
