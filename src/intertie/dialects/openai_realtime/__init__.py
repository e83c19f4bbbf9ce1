"""OpenAI Realtime: a session of events in both directions over a WebSocket.

Nothing is translated: callers and endpoints speak the same, and what nobody here knows passes. Read is only what may
cost money, what did, and how many tokens the next prompt can have; written are errors and a session's first words.
May import: core, msgspec and what dialects share.
"""
