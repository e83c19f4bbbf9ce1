"""Google's Gemini API and its twin on Vertex AI: generateContent, streamGenerateContent and countTokens, both sides.

`both` holds the tables, `peek` reads what decides, `glance` what answers tell, `watch` stands in a stream that passes
through, `faults` draws errors; the modules named `x_to_y` translate, `spelling`, `schemas`, `seals` and `reasons` are
what they share. May import: core, and the modules beside this folder.
"""
