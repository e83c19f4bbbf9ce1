"""Azure OpenAI (Microsoft Foundry), as endpoints speak it: OpenAI's bytes at other paths, with a header of its own.

What its content filters tell (`prompt_filter_results`, `content_filter_results`) passes through like any other field.
May import: core, and the modules beside this folder; all but paths and credentials is `openai_chat`'s.
"""
