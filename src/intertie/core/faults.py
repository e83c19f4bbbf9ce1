"""Every fault of Intertie, in one tree. Each says which status, whose blame, and whether another try can help.

    Fault
    ├── CallerFault               the caller's doing; never blamed on an endpoint, never retried
    │   ├── InvalidRequest        400  what was sent cannot be understood or is not allowed; `param` names the field
    │   │   └── Unsupported       400  the endpoint's dialect has no way to say it; another endpoint's may have one
    │   ├── Unauthenticated       401  no key, unknown key, revoked, expired
    │   ├── NotFound              404  no such path, or a model that does not exist or is not the caller's to use
    │   ├── MethodNotAllowed      405
    │   ├── TooSlow               408  headers or body did not arrive in time
    │   ├── TooLarge              413  (431 for headers)
    │   ├── RateLimited           429  a limit per minute or of concurrent calls; `retry_after` says when
    │   ├── BudgetExhausted       429  the money is spent (`should_retry` false) or reserved (true)
    │   └── CallerLeft            499  nobody reads the answer any more
    ├── UpstreamFault             502  the endpoint's doing; if another may be tried, it counts against its health
    │   ├── ConnectFailed         502
    │   ├── StaleConnection       502  a kept connection had died; nothing was answered on it: try another at once
    │   ├── FirstByteLate         504  connected, but no answer in time
    │   ├── StreamStalled         504  the stream began and then fell silent
    │   ├── StreamCut             502  the answer ended before its end
    │   ├── UpstreamGarbled       502  what came is not HTTP, not JSON, or not the dialect
    │   ├── UpstreamError         its own status 5xx
    │   ├── UpstreamBusy          429 or 503 with Retry-After: capacity, not illness
    │   └── UpstreamRefused       its own status 4xx: passed on to the caller as it came, never retried
    └── GatewayFault              500  ours
        ├── NoCandidate           503  nothing may serve this request now; the message says why
        ├── EgressRefused         502  an endpoint's address is not allowed by the egress policy
        ├── Overloaded            503
        ├── Draining              503
        ├── LenderAway            503  budgets cannot be checked: fail closed
        ├── StoreFault            503  the database does not answer
        ├── SecretFault           503  a secret cannot be read from where it is kept
        └── ConfigFault                a configuration that cannot be used: where, what, what to do
            └── ConfigFaults           all that is wrong with a configuration, one ConfigFault per problem

Foreign errors are turned into these at the border where they arise.
"""

from typing import ClassVar, Literal

Blame = Literal["caller", "upstream", "gateway"]


class Fault(Exception):
    """What went wrong, for a person (`str(fault)`), for a program (`code`), and for the loop that may try again."""

    status: int = 500
    code: str = "internal_error"
    kind: ClassVar[str] = "server_error"  # OpenAI's `error.type`
    blame: ClassVar[Blame] = "gateway"
    elsewhere: ClassVar[bool] = False  # may another endpoint be tried, before the first byte?

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.param = param
        self.retry_after = retry_after
        self.should_retry = should_retry

    @property
    def public(self) -> str:
        """What the caller is told: of an endpoint's failure its kind, not its address, nor what it said."""
        return self.message


class CallerFault(Fault):
    """The caller's doing."""

    status, code, kind, blame = 400, "invalid_request", "invalid_request_error", "caller"


class InvalidRequest(CallerFault):
    """What was sent cannot be understood or is not allowed; `param` names the field."""


class Unsupported(InvalidRequest):
    """The endpoint's dialect has no way to say what was asked; `param` names the field in the caller's dialect."""

    code = "unsupported_parameter"


class Unauthenticated(CallerFault):
    """No key, an unknown one, or one that is no longer good."""

    status, code, kind = 401, "invalid_api_key", "authentication_error"


class NotFound(CallerFault):
    """No such path or model. A model that the caller may not use gets the very same answer."""

    status, code = 404, "not_found"


class MethodNotAllowed(CallerFault):
    """The path exists, the method does not."""

    status, code = 405, "method_not_allowed"


class TooSlow(CallerFault):
    """Headers or body did not arrive in time."""

    status, code = 408, "request_timeout"


class TooLarge(CallerFault):
    """More than the gateway accepts; `status` is 431 for headers."""

    status, code = 413, "request_too_large"

    def __init__(self, message: str, *, headers: bool = False) -> None:
        super().__init__(message, code="headers_too_large" if headers else None)
        if headers:
            self.status = 431


class RateLimited(CallerFault):
    """A limit per minute, or of concurrent calls."""

    status, code, kind = 429, "rate_limit_exceeded", "rate_limit_error"


class BudgetExhausted(CallerFault):
    """The money is spent, or all of what is left is reserved by requests under way."""

    status, code, kind = 429, "budget_exhausted", "insufficient_quota"


class CallerLeft(CallerFault):
    """Nobody reads the answer any more."""

    status, code = 499, "caller_left"


class UpstreamFault(Fault):
    """The endpoint's doing."""

    words: ClassVar[str] = "The endpoint failed."
    status, code, blame, elsewhere = 502, "upstream_error", "upstream", True

    @property
    def public(self) -> str:
        """Its kind, in a sentence that says nothing of the endpoint."""
        return self.words


class ConnectFailed(UpstreamFault):
    """No connection: refused, unreachable, TLS not verified, or late."""

    words = "The endpoint could not be reached."
    code = "upstream_unreachable"


class StaleConnection(UpstreamFault):
    """A kept connection died before any byte of an answer: the endpoint had closed it, and is not ill."""

    words = "The endpoint had closed its connection."
    code = "upstream_stale"


class FirstByteLate(UpstreamFault):
    """Connected, but no answer in time."""

    words = "The endpoint did not answer in time."
    status, code = 504, "upstream_timeout"


class StreamStalled(UpstreamFault):
    """The stream began and then fell silent."""

    words = "The endpoint fell silent in the midst of its answer."
    status, code = 504, "upstream_stalled"


class StreamCut(UpstreamFault):
    """The answer ended before its end."""

    words = "The endpoint's answer ended before its end."
    code = "upstream_cut"


class UpstreamGarbled(UpstreamFault):
    """What came is not HTTP, not JSON, or not the dialect."""

    words = "The endpoint's answer could not be understood."
    code = "upstream_malformed"


class UpstreamError(UpstreamFault):
    """The endpoint answered with a server error of its own."""

    words = "The endpoint answered with an error of its own."

    def __init__(self, message: str, status: int, body: bytes = b"", retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.upstream_status = status
        self.body = body


class UpstreamBusy(UpstreamError):
    """The endpoint is at its limit (429, or 503 with Retry-After): capacity, not illness."""

    words = "The endpoint is at its limit."
    code = "upstream_busy"

    def __init__(self, message: str, status: int, body: bytes = b"", retry_after: float | None = None) -> None:
        super().__init__(message, status, body, retry_after)
        self.status = 429 if status == 429 else 503


class UpstreamRefused(UpstreamError):
    """The endpoint refused this request (4xx): its answer goes to the caller as it came."""

    words = "The endpoint refused the request."
    code, elsewhere = "upstream_refused", False

    def __init__(self, message: str, status: int, body: bytes = b"", retry_after: float | None = None) -> None:
        super().__init__(message, status, body, retry_after)
        self.status = status


class GatewayFault(Fault):
    """Ours."""


class NoCandidate(GatewayFault):
    """Nothing may serve this request now."""

    status, code = 503, "no_candidate"


class EgressRefused(GatewayFault):
    """An endpoint's address is not allowed by the egress policy."""

    status, code, elsewhere = 502, "egress_refused", True


class Overloaded(GatewayFault):
    """More requests are under way than this worker takes."""

    status, code = 503, "overloaded"


class Draining(GatewayFault):
    """The gateway is being stopped."""

    status, code = 503, "draining"


class LenderAway(GatewayFault):
    """Budgets cannot be checked now, so nothing is spent."""

    status, code = 503, "budget_unavailable"


class StoreFault(GatewayFault):
    """The database does not answer, or answers with an error."""

    status, code = 503, "store_unavailable"


class SecretFault(GatewayFault):
    """A secret cannot be read from where it is kept, which `answered` this status, 0 if it did not.

    The message holds nothing of the secret, nor of the answer.
    """

    status, code = 503, "secret_unavailable"

    def __init__(self, message: str, answered: int = 0) -> None:
        super().__init__(message)
        self.answered = answered


class ConfigFault(GatewayFault):
    """A configuration that cannot be used: where (`file:line`), what is wrong, what to do."""

    code = "invalid_configuration"

    def __init__(self, message: str, *, file: str = "", line: int = 0, hint: str = "") -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(f"{where}{message}" + (f" ({hint})" if hint else ""))
        self.problem, self.file, self.line, self.hint = message, file, line, hint


class ConfigFaults(ConfigFault):
    """All that is wrong with a configuration at once, in the order of the file; its text is one problem per line."""

    def __init__(self, faults: tuple[ConfigFault, ...]) -> None:
        super().__init__("\n".join(fault.message for fault in faults))
        self.faults = faults
