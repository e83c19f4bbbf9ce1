"""Floor 3: edges of the world that are neither wire nor store: telemetry today; identity and secrets later.

May import: core, config.
"""
