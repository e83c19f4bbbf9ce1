"""Floor 6: the one place where parts are wired together: supervisor, worker and control process.

Nothing below imports it.
"""
