"""Where secrets are kept, and who a process is without one: Vault, the clouds' secret stores, their identities.

Each is a few requests of a protocol, made through the `Http` that it is given; `control.secrets` asks again in time.
May import: core, config.
"""
