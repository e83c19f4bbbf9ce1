"""AWS Bedrock Runtime, Converse and ConverseStream, as endpoints speak it; nobody calls the gateway in it.

`chat_to_body` writes calls, `body_to_answer` and `stream_to_events` read what comes back, `frames` cuts the binary
stream, `faults` tells what its errors mean. May import: core, and the modules beside this folder.
"""
