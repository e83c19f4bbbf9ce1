"""OpenAI's Responses (`POST /responses`, whole and streamed), which coding agents speak first.

Calls are read by `peek` and `call_to_chat`, written by `chat_to_body`; answers are read by `body_to_answer` and
`stream_to_events`, written by `answer_to_body` and `events_to_stream`; `watch` stands in a stream that passes through,
`stored` says what is kept of a response for the next call. May import: core, the modules beside this folder, and from
openai_chat what both share.
"""
