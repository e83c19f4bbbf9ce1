"""Floor 3: wire formats of model APIs: what a body means, how an error looks, where usage hides.

One folder per dialect, whose two sides are in its `both`; a translation is named `from_to`. Beside them is what several
share. `dialect` says what each must bring, `registry` has them all. Pure: bytes in, values out. May import: core.
"""
