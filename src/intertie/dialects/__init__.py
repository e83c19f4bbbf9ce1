"""Floor 3: wire formats of model APIs: what a body means, how an error looks, where usage hides.

One module per dialect; a translation is named `from_to`. Pure: bytes in, values out.
May import: core.
"""
