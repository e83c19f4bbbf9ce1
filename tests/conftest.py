"""What every test may use."""

from hypothesis import settings

pytest_plugins = ["postgres"]

# How long an example takes says more of the machine's other work than of ours: the whole test has its time limit.
settings.register_profile("intertie", deadline=None, print_blob=True)
settings.load_profile("intertie")
