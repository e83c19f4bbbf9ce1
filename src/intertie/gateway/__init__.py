"""Floor 4: the life of a request. `exchange` is the spine; its steps are modules that know no other step.

receive → authenticate → guard → (expand) → admit → choose → (enqueue) → translate → relay → settle → (keep) → respond →
observe. `front` stands before it, `turns` and `realtime` hold sessions; the rest is what a worker holds (`live`).
May import: everything below; of its neighbours, nothing.
"""
