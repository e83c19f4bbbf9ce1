"""Floor 5: simulated counterparts of the real world. Whatever they answer is called simulated.

May import: everything below.
"""
