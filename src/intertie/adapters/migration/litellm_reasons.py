"""Why keys of LiteLLM's configuration have no counterpart here, where more can be said than that."""

PER_ENDPOINT_TIMEOUT = "timeouts hold for all endpoints: upstream.answer_timeout_s and upstream.first_byte_timeout_s"
DEFAULT_PARAMETER = "requests are passed on as callers send them: parameters have no defaults here"
OTHER_DATABASE = "budgets, keys and spend of LiteLLM's database are not read; `intertie keys create` makes new keys"
CALLBACKS = "metrics are on the control port; spans go to telemetry.otlp_endpoint; other callbacks are not there"
NOT_YET = "not part of this version"
CHOOSES_BY_ITSELF = "the choice is made from what is measured, not from fixed shares: see objectives"
CLOUD_LOGIN = "give the endpoint a `credential`: a key, or an access token that something renews (file:PATH)"

PARAMS = {
    "timeout": PER_ENDPOINT_TIMEOUT,
    "stream_timeout": PER_ENDPOINT_TIMEOUT,
    "max_retries": "failover is one setting for all: retry.max_attempts",
    "num_retries": "failover is one setting for all: retry.max_attempts",
    "weight": CHOOSES_BY_ITSELF,
    "order": "models that stand behind others are the `fallback` of a route",
    "tags": "a request names endpoints, sites or providers by `only` and `ignore`, not by tags",
    "region_name": "declare a site with its jurisdiction and give it to the endpoint as `site`",
    "input_cost_per_second": "a price is by tokens, or by the hour of the machine (per_hour)",
    "output_cost_per_second": "a price is by tokens, or by the hour of the machine (per_hour)",
    "max_budget": "budgets are on keys, users, groups, projects or models: `budgets: [{on: model:NAME, usd: …}]`",
    "budget_duration": "budgets are on keys, users, groups, projects or models: `budgets: [{on: model:NAME, per: …}]`",
    "organization": "the key decides the organization",
    "extra_headers": NOT_YET,
    "headers": NOT_YET,
    "api_type": "the provider decides it",
    "vertex_credentials": CLOUD_LOGIN,
    "azure_ad_token": CLOUD_LOGIN,
    "tenant_id": CLOUD_LOGIN,
    "client_id": CLOUD_LOGIN,
    "client_secret": CLOUD_LOGIN,
    "aws_role_name": CLOUD_LOGIN,
    "aws_session_name": CLOUD_LOGIN,
    "aws_profile_name": CLOUD_LOGIN,
    "aws_web_identity_token": CLOUD_LOGIN,
    "mock_response": "`intertie engine sim` stands in for a real engine",
    "use_in_pass_through": NOT_YET,
    "merge_reasoning_content_in_choices": NOT_YET,
    **dict.fromkeys(
        ("temperature", "top_p", "top_k", "stop", "seed", "frequency_penalty", "presence_penalty", "n", "user",
         "response_format", "reasoning_effort", "thinking", "tools", "logit_bias", "extra_body", "safe_prompt",
         "max_completion_tokens", "cache_control_injection_points", "metadata", "additional_drop_params"),
        DEFAULT_PARAMETER,
    ),
}  # fmt: skip

INFO = {
    "max_tokens": "it may mean context or output: give `context` or `max_output`",
    "access_groups": "groups name their models: `groups: [{name: …, models: […]}]`",
    "team_id": "groups name their models: `groups: [{name: …, models: […]}]`",
    "tier": CHOOSES_BY_ITSELF,
}

SETTINGS = {
    "content_policy_fallbacks": "an answer that was withheld for safety is not asked for elsewhere",
    "callbacks": CALLBACKS,
    "success_callback": CALLBACKS,
    "failure_callback": CALLBACKS,
    "service_callbacks": CALLBACKS,
    "cache": "answers are not cached in this version; engines and providers cache prompts by themselves",
    "cache_params": "answers are not cached in this version; engines and providers cache prompts by themselves",
    "set_verbose": "every request is one line of JSON: gateway.log_requests",
    "json_logs": "every request is one line of JSON: gateway.log_requests",
    "telemetry": "nothing is ever sent home",
    "max_budget": "budgets are on keys, users, groups, projects or models: give `keys: [{name: master, budget: …}]`",
    "budget_duration": "budgets are on keys, users, groups, projects or models",
    "default_team_settings": "groups share no callbacks; metrics and spans name the group",
    "default_internal_user_params": "identity providers are " + NOT_YET,
    "mcp_aliases": "MCP tools are " + NOT_YET,
    "turn_off_message_logging": "prompts and answers are never logged",
    "redact_user_api_key_info": "keys are never logged",
    "ssl_verify": "each endpoint has its own `verify_tls`",
}

GENERAL = {
    "database_url": OTHER_DATABASE,
    "store_model_in_db": "models are what this file says",
    "alerting": "budget alerts are posted as JSON: alerts.webhook",
    "alerting_threshold": "budget alerts are posted as JSON: alerts.webhook",
    "alert_to_webhook_url": "budget alerts are posted as JSON: alerts.webhook",
    "pass_through_endpoints": NOT_YET,
    "custom_auth": "keys are made by `intertie keys create`, or stand in `keys`",
    "enable_jwt_auth": "identity providers are " + NOT_YET,
    "completion_model": "a request names its model",
    "max_parallel_requests": "limits at once are on owners: `limits: [{on: model:NAME, concurrent: …}]`",
    "global_max_parallel_requests": "gateway.max_in_flight bounds each worker; `concurrent` limits are on owners",
    "background_health_checks": "health is learnt from what requests meet: see breaker",
    "health_check_interval": "health is learnt from what requests meet: see breaker",
    "forward_client_headers_to_llm_api": "headers of callers are not passed on, except traceparent",
    "salt_key": OTHER_DATABASE,
    "disable_spend_logs": "the ledger is how budgets are kept",
}

ROUTER = {
    **SETTINGS,
    "redis_host": "workers share limits and budgets by themselves; no Redis is needed",
    "redis_port": "workers share limits and budgets by themselves; no Redis is needed",
    "redis_password": "workers share limits and budgets by themselves; no Redis is needed",
    "redis_url": "workers share limits and budgets by themselves; no Redis is needed",
    "enable_pre_call_checks": "prompts that do not fit a context are never sent there",
    "retry_policy": "what may be tried elsewhere is decided by the kind of error: see retry",
    "allowed_fails_policy": "one breaker for all errors of an endpoint: breaker.failures",
    "disable_cooldowns": "an endpoint that fails is left alone: see breaker",
    "enable_tag_filtering": "a request names endpoints, sites or providers by `only` and `ignore`",
    "routing_strategy_args": CHOOSES_BY_ITSELF,
    "retry_after": "an endpoint's own Retry-After is kept",
}

TOP = {
    "guardrails": "guardrails are " + NOT_YET,
    "mcp_servers": "MCP tools are " + NOT_YET,
    "prompts": "prompts are " + NOT_YET,
    "agents": "agents are " + NOT_YET,
    "vector_store_registry": "vector stores are " + NOT_YET,
    "search_tools": "search tools are " + NOT_YET,
    "finetune_settings": "fine-tuning jobs are " + NOT_YET,
    "files_settings": "files and batches are " + NOT_YET,
    "callback_settings": CALLBACKS,
    "assistant_settings": "the Assistants API is " + NOT_YET,
    "include": "import each file by itself, and join them with `include`",
}
