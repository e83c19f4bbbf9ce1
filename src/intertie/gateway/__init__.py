"""Floor 4: the life of a request. `exchange` is the spine; each other module is one step and knows no other step.

receive → authenticate → guard → admit → choose → translate → relay → settle → respond → observe
May import: everything below; of its neighbours, nothing.
"""
