"""Cohere's own API (v2) as an endpoint: rerank and embeddings, for callers who speak as OpenAI and Jina do.

`glance` and `faults` read answers, `openai_to_rerank` converts reranks (embeddings are converted in `embeddings`).
Chats with Cohere's models go through its OpenAI-compatible door. May import: core, and the modules beside this folder.
"""
