"""Floor 3: decisions, as pure functions: where, how much, whether again. No I/O, no clock, no randomness of its own.

Time and lots are arguments, so the simulator and the tests run the very code that production runs.
May import: core, catalog, config. A decision returns its reason with it.
"""
