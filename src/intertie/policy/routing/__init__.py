"""Choosing an endpoint: constraints, estimates, score, affinity, and the plan that explains itself.

Read in this order: `constraints`, `estimate`, `score`, `affinity`, `choose`, `explain`.
"""
