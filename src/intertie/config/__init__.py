"""Floor 2: wishes: what an operator wants, from `intertie.yaml`, flags and environment, and the snapshot made of it.

Each setting is declared once, in `settings`; flag, environment name, file key and reference page come from there.
May import: core. Knows no facts of the world (that is catalog) and reads no database.
"""
