"""A simulated inference engine: OpenAI's protocol in front, the timing of a continuous-batching engine behind.

`batching` and `blocks` are the pure model under a given clock; `ask`, `output`, `text`, `schema`, `embedding` decide
what is said; `faults`, `path`, `journal`, `metrics` are what a test needs of an upstream; `server` is the HTTP face.
It contains no model. Whatever it answers is called simulated. May import: what `sim` may.
"""
