"""Reproducible measurements of the gateway, beside nginx (the floor) and the rivals that are installed.

`upstream` answers, `load` asks, `cpu` reads the meter, `systems` are what is measured, `overhead`, `memory` and `start`
are the measurements. Run `intertie bench …` from a checkout; nothing here is part of the wheel.
May import: the whole of intertie; nothing of intertie imports it.
"""
