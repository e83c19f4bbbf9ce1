"""A simulated inference engine: every vendor's dialect in front, the timing of a continuous-batching engine behind.

`batching` and `blocks` are the pure model under a given clock; `conversation`, `requests`, `output`, `text`, `schema`
decide what is said, `dialects` how it is asked and told; `faults`, `path`, `journal`, `metrics` are what a test needs
of an upstream; `server` is the HTTP face. It contains no model, and whatever it answers is called simulated.
May import: what `sim` may, but not `intertie.dialects`, to which it is the counterpart.
"""
