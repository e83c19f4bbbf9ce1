"""OpenAI's operations beside chat: pictures, speech, transcripts, moderation; and rerank, as Jina, vLLM and others do.

`peek` reads JSON bodies, `peek_form` multipart ones (`multipart`), `bounds` says the most that is sold by the piece,
`glance` what answers tell, `watch` stands in a stream. Callers and endpoints are those of `openai_chat`.
May import: core, and the modules beside this folder.
"""
