"""Settings of the processes: each declared once, in a struct, with its default and its help.

Flag, environment name, key in the file and the reference page come from that line: `server.max_body_bytes` is
`--server-max-body-bytes`, `INTERTIE_SERVER_MAX_BODY_BYTES`, and `max_body_bytes` under `server:`; a setting without a
dot stands under `gateway:`. A flag beats the environment, which beats the file, which beats the default.
This is the only module that reads the environment; what it read travels as a value.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from intertie.config.fields import Field, fields_of, nearest
from intertie.config.forms import COUNT, NAME, NOT_NEGATIVE, PORT, POSITIVE, POSITIVE_COUNT, SECRET, SHARE, WEB_ADDRESS
from intertie.config.references import secret
from intertie.config.snapshot import (
    BreakerPolicy,
    ResponsePolicy,
    RetryPolicy,
    ServerLimits,
    SocketLimits,
    UpstreamLimits,
)
from intertie.config.wishes import Document
from intertie.core.faults import ConfigFault, ConfigFaults

PREFIX = "INTERTIE_"
AT_START = frozenset(
    ("config", "state", "database", "secret", "host", "port", "control_host",
     "control_port", "health_port", "tls_cert", "tls_key", "workers", "drain_s", "journal_fsync")
)  # fmt: skip
"""Settings that are read once, when the service starts."""
WITH_NEW_WORKERS = ("server", "telemetry")
"""Sections of which a worker keeps what it found when it started."""
OF_CONTROL = ("secrets", "vault")
"""Sections that the control process reads once, when it starts."""

Environment = Mapping[str, str]


class Egress(msgspec.Struct, frozen=True):
    """Where the gateway may connect to."""

    allow_private: Annotated[bool, "May endpoints have private addresses (10.0.0.0/8, 127.0.0.1, …)."] = True


class Telemetry(msgspec.Struct, frozen=True):
    """Where spans go."""

    otlp_endpoint: Annotated[str, "OTLP/HTTP endpoint for spans, as `http://collector:4318`; empty: none."] = ""


class Vault(msgspec.Struct, frozen=True):
    """How HashiCorp Vault (or OpenBao) is reached, for secrets written `vault:MOUNT/PATH#FIELD`."""

    address: Annotated[str, "Its URL; else VAULT_ADDR."] = ""
    namespace: Annotated[str, "Its namespace; else VAULT_NAMESPACE."] = ""
    ca_file: Annotated[str, "PEM file of the authorities that signed its certificate; else VAULT_CACERT."] = ""
    mount: Annotated[str, "Where the login below is mounted; else `approle` or `kubernetes`."] = ""
    role_id: Annotated[str, "Log in by AppRole, with this role id."] = ""
    secret_id: Annotated[str, SECRET, "The secret id that goes with `role_id`."] = ""
    role: Annotated[str, "Log in by the pod's service account in this role."] = ""
    jwt_file: Annotated[str, "The service account's token."] = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    token_file: Annotated[str, "A token that somebody keeps fresh here, such as Vault Agent."] = ""
    token: Annotated[str, SECRET, "A token as it is; else VAULT_TOKEN."] = ""


class Secrets(msgspec.Struct, frozen=True):
    """Secrets that are kept elsewhere (Vault, the secret stores of clouds)."""

    refresh_s: Annotated[float, POSITIVE, "Seconds after which a secret is asked for again, to see it rotated."] = 300.0


class Alerts(msgspec.Struct, frozen=True):
    """Who is told about budgets."""

    webhook: Annotated[str, WEB_ADDRESS, "Where to post budget alerts; empty: only the log."] = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, read. Paths are relative to the working directory; `workers` 0 means one per core."""

    config: Annotated[str, "The configuration file."] = "intertie.yaml"
    state: Annotated[str, "The folder that holds journals, the database and the last good snapshot."] = "state"
    database: Annotated[str, "Database URL (sqlite:/// or postgresql://); empty: intertie.db in `state`."] = ""
    secret: Annotated[str, SECRET, "Keys the digests of keys; else random bytes made once in `state`."] = ""
    host: Annotated[str, "Address of the data and health ports; 0.0.0.0 is every interface."] = "0.0.0.0"
    port: Annotated[int, PORT, "Port of the data plane."] = 4000
    control_host: Annotated[str, "Address of the control port; it administers, so it stays at home."] = "127.0.0.1"
    control_port: Annotated[int, PORT, "Port of the control plane: metrics and administration."] = 4001
    health_port: Annotated[int, PORT, "Port of /livez and /readyz."] = 4002
    tls_cert: Annotated[str, "PEM file of the data port's certificate chain; empty: no TLS."] = ""
    tls_key: Annotated[str, "PEM file of its private key."] = ""
    workers: Annotated[int, COUNT, "Gateway processes; 0: one per core."] = 0
    drain_s: Annotated[float, NOT_NEGATIVE, "Seconds that open requests get after SIGTERM."] = 600.0
    here: Annotated[str, NAME, "The site this gateway stands at; distances are counted from it."] = ""
    default_objective: Annotated[str, NAME, "The objective of requests that name none."] = "balanced"
    tolerance: Annotated[float, SHARE, "Width of the score band within which the choice is drawn by lot."] = 0.03
    max_in_flight: Annotated[int, POSITIVE_COUNT, "Requests one worker has under way at most."] = 4_096
    default_max_output: Annotated[int, POSITIVE_COUNT, "Completion tokens reserved when nobody says."] = 4_096
    journal_fsync: Annotated[Literal["50ms", "always"], "When journal rows reach the disk."] = "50ms"
    log_requests: Annotated[bool, "Write one line of JSON per request to standard output."] = True
    record_plans: Annotated[bool, "Keep each plan in the ledger, for `route explain`."] = True
    server: ServerLimits = ServerLimits()
    websocket: SocketLimits = SocketLimits()
    upstream: UpstreamLimits = UpstreamLimits()
    retry: RetryPolicy = RetryPolicy()
    breaker: BreakerPolicy = BreakerPolicy()
    responses: ResponsePolicy = ResponsePolicy()
    egress: Egress = Egress()
    telemetry: Telemetry = Telemetry()
    alerts: Alerts = Alerts()
    secrets: Secrets = Secrets()
    vault: Vault = Vault()

    def __repr__(self) -> str:
        """Only its file: what is printed by accident must not hold secrets."""
        return f"Settings({self.config!r})"

    @property
    def worker_count(self) -> int:
        """How many gateway processes run on this host."""
        return self.workers or len(os.sched_getaffinity(0))

    @property
    def database_url(self) -> str:
        """Where the ledger is kept: as set, or a SQLite file in the state folder."""
        return self.database or f"sqlite:///{Path(self.state) / 'intertie.db'}"


class Setting(msgspec.Struct, frozen=True):
    """One setting, as its line in `Settings` declares it. `name` has a dot if it stands in a section of its own."""

    name: str
    field: Field

    @property
    def flag(self) -> str:
        """Its flag on the command line; secrets have none, for every process can read command lines."""
        return "" if self.field.form is SECRET else "--" + self.name.replace(".", "-").replace("_", "-")

    @property
    def environ(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.replace(".", "_").upper()

    @property
    def takes_hold(self) -> str:
        """When a changed value counts: `at once`, with a `new worker`, or at the `next start`."""
        if self.name in AT_START or self.section in OF_CONTROL:
            return "next start"
        return "new worker" if self.section in WITH_NEW_WORKERS else "at once"

    @property
    def section(self) -> str:
        """The section of the file it stands in; empty for the one setting that says where the file is."""
        return "" if self.name == "config" else self.name.rpartition(".")[0] or "gateway"


def _declared() -> tuple[Setting, ...]:
    settings: list[Setting] = []
    for name, field in fields_of(Settings).items():
        if field.form is not None:
            settings.append(Setting(name, field))
        else:
            settings += [Setting(f"{name}.{inner}", each) for inner, each in fields_of(field.type).items()]
    return tuple(settings)


SETTINGS: tuple[Setting, ...] = _declared()


def environment() -> dict[str, str]:
    """The environment of this process, as a value."""
    return dict(os.environ)


def load(flags: Mapping[str, object], environ: Environment, document: Document | None = None) -> Settings:
    """The settings in force. `flags` are by name (`port`, `server.max_body_bytes`, or with `_` or `-` for the dot);
    None means not given.

    Raises ConfigFaults with all that is wrong in flags and environment (the file was checked when it was read).
    """
    faults: list[ConfigFault] = []
    flags = _by_flag(flags, faults)
    top: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for setting in SETTINGS:
        found = _find(setting, flags, environ, faults)
        if found is None and document is not None:
            found = document.settings.get(setting.name)
        if found is not None:
            outer, _, inner = setting.name.rpartition(".")
            (nested.setdefault(outer, {}) if outer else top)[inner] = found
    if faults:
        raise ConfigFaults(tuple(faults))
    sections = {name: fields_of(Settings)[name].type(**values) for name, values in nested.items()}
    return Settings(**top, **sections)


def proxies(environ: Environment) -> dict[str, str]:
    """The proxy environment (`http_proxy`, `https_proxy`, `no_proxy`, lower case before upper), where set."""
    names = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    found = {name: environ.get(name) or environ.get(name.upper(), "") for name in names}
    return {name: value for name, value in found.items() if value}


def _by_flag(flags: Mapping[str, object], faults: list[ConfigFault]) -> dict[str, object]:
    known = [setting.flag for setting in SETTINGS if setting.flag]
    found = {"--" + name.replace(".", "-").replace("_", "-"): value for name, value in flags.items()}
    faults += [ConfigFault(f"unknown flag {flag}", hint=nearest(flag, known)) for flag in found if flag not in known]
    return found


def _find(setting: Setting, flags: Mapping[str, object], environ: Environment, faults: list[ConfigFault]) -> Any:
    given = flags.get(setting.flag)
    source = setting.flag
    if given is None:
        given, source = environ.get(setting.environ), setting.environ
    if given is None or str(given).startswith("tcp://"):
        return None  # Kubernetes sets INTERTIE_PORT=tcp://… for a service that is named intertie
    form = setting.field.form
    assert form is not None
    try:
        return secret(str(given), environ, Path()) if form.secret else form.parse(str(given))
    except ValueError as error:
        shown = str(error) if form.secret else f"expected {form.expected}, found {str(given)!r}"
        faults.append(ConfigFault(f"{source}: {shown}"))
        return None
