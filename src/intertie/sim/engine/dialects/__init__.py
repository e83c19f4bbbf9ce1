"""The dialects that the engine speaks, one or two modules each: how a request is read, and how its answer is told.

Written from the vendors' documentation and SDKs, apart from `intertie.dialects`: an honest counterpart in which a
misunderstanding shows. What a vendor refuses is refused, in its words. The same engine and the same texts stand behind
all of them. May import: what `sim` may, but not `intertie.dialects`.
"""
