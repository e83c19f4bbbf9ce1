"""OpenAI's chat completions, completions and embeddings, as every OpenAI-compatible engine speaks them.

`peek` reads what decides, `glance` what answers tell, `watch` stands in a stream that passes through, `faults` draws
errors. Translation of chats is in modules named `from_to`; beside them `messages` is what callers write, `told` what
endpoints tell, `written` what callers are told. May import: core, and the modules beside this folder.
"""
