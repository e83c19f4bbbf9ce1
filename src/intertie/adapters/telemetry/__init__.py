"""What the gateway tells about itself: counters, the metrics page, the request log, spans.

Workers import `counters`, `requestlog`, `traceparent` and `spans` only: these are lean. `prometheus` belongs to the
control process, `otlp` is loaded only when an OTLP endpoint is configured. Names of the field are in `genai`.
May import: core, config. Content of requests and keys are never told.
"""
