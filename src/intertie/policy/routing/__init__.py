"""Choosing an endpoint: constraints, estimates, score, affinity, and the plan that explains itself.

Pure decisions for up to a few dozen candidates; read `choose` first, then `choice` and `table` (what is asked and what
is known), `constraints`, `estimate`, `affinity`, `score`, `explain`. May import: core, config, `policy.health`.
"""
