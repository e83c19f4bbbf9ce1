"""What endpoints speak. Source: learn.microsoft.com, "Azure OpenAI in Foundry Models", reference and v1 API."""

from dataclasses import replace
from urllib.parse import quote

from intertie.core.endpoint import Endpoint, Operation
from intertie.dialects.openai_chat import both as openai_chat


def path(endpoint: Endpoint, operation: Operation, stream: bool) -> str:
    """The path behind `https://{resource}.openai.azure.com`.

    A dated `api_version` (`2024-10-21`) means the older API, where the path names the model; any other, or none, means
    the v1 API, where the body does.
    """
    own, version = openai_chat.path(endpoint, operation, stream), endpoint.api_version
    asked = f"?api-version={quote(version, safe='')}" if version else ""
    if version[:1].isdigit():
        return f"/openai/deployments/{quote(endpoint.upstream_model, safe='')}{own}{asked}"
    return f"/openai/v1{own}{asked}"


def credential(endpoint: Endpoint) -> tuple[str, ...]:
    """An API key in Azure's own header; a token of Entra ID (a JWT has two dots, a key none) as bearer."""
    if endpoint.credential.count(".") == 2:
        return openai_chat.bearer(endpoint)
    return (f"api-key: {endpoint.credential}",) if endpoint.credential else ()


OUTBOUND = replace(openai_chat.OUTBOUND, name="azure_openai", path=path, headers=credential)
