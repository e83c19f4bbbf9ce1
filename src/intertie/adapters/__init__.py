"""Floor 3: edges of the world that are neither wire nor store: telemetry and migration today; identity, secrets later.

May import: core, config, catalog.
"""
