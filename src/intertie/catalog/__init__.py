"""Floor 2: facts about the world: accelerators, regions, carbon, engines, prices.

Facts are data files (`data/*.yaml`) in which every row has a source and the date it was checked.
May import: core. Knows nothing of anybody's wishes (that is config).
"""
