"""OpenAI's chat completions, completions and embeddings, as every OpenAI-compatible engine speaks them.

`peek` reads what decides, `glance` what answers tell, `watch` stands in a stream that passes through, `faults` draws
errors. May import: core, and the modules beside this folder.
"""
