"""Floor 7: verbs for people. Every verb has `--json` beside its human output and documented exit codes.

May import: everything below; holds no logic of its own.
"""
