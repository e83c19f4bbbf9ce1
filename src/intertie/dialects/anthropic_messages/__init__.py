"""Anthropic's Messages API and its count of tokens, as callers and as endpoints speak it.

`peek` reads what decides, `stream` and `usage` what answers tell, `watch` stands in a stream that passes through,
`faults` draws errors; the other modules translate and are named by what they read and write.
May import: core, and the modules beside this folder.
"""
