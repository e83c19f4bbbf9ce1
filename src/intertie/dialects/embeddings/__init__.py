"""Embeddings for callers who speak as OpenAI does, of endpoints that speak otherwise.

`openai` reads the call and draws the answer; `openai_to_gemini` and `openai_to_cohere` are the conversions.
Endpoints that take OpenAI's own words need nothing of this. May import: core, and the modules beside this folder.
"""
