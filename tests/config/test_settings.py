"""Settings: one line declares each; a flag beats the environment, which beats the file, which beats the default."""

from pathlib import Path

import msgspec
import pytest

from intertie.config.document import configured
from intertie.config.settings import SETTINGS, Settings, load, proxies
from intertie.core.faults import ConfigFaults


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path: Path) -> None:
    path = tmp_path / "intertie.yaml"
    path.write_text("gateway: {port: 1, workers: 2, drain_s: 3}\nserver: {max_headers: 7}\n")
    environ = {"INTERTIE_PORT": "11", "INTERTIE_WORKERS": "12"}
    settings, _ = configured({"config": str(path), "port": 21}, environ)
    assert (settings.port, settings.workers, settings.drain_s, settings.control_port) == (21, 12, 3.0, 4001)
    assert settings.server.max_headers == 7
    assert settings.server.max_body_bytes == Settings().server.max_body_bytes


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text("gateway: {here: x}\n")
    settings, document = configured({}, {"INTERTIE_CONFIG": str(path)})
    assert (settings.here, document.files) == ("x", (str(path),))


def test_every_setting_has_one_flag_one_name_in_the_environment_and_one_key_in_the_file() -> None:
    for names in zip(*[(s.name, s.flag or s.name, s.environ) for s in SETTINGS], strict=True):
        assert len(set(names)) == len(SETTINGS)
    by_name = {setting.name: setting for setting in SETTINGS}
    nested = by_name["server.max_body_bytes"]
    assert (nested.flag, nested.environ) == ("--server-max-body-bytes", "INTERTIE_SERVER_MAX_BODY_BYTES")
    assert (nested.section, by_name["port"].section, by_name["config"].section) == ("server", "gateway", "")
    assert all(setting.field.help.endswith(".") for setting in SETTINGS)


def test_a_secret_has_no_flag_and_may_be_a_reference() -> None:
    assert {setting.name: setting.flag for setting in SETTINGS}["secret"] == ""
    assert load({}, {"INTERTIE_SECRET": "env:PEPPER", "PEPPER": "x"}).secret == "x"


def test_all_wrong_values_are_told_with_where_they_came_from() -> None:
    with pytest.raises(ConfigFaults) as caught:
        load({"port": "http"}, {"INTERTIE_WORKERS": "-1", "INTERTIE_SECRET": "env:NOBODY"})
    assert [str(fault) for fault in caught.value.faults] == [
        "INTERTIE_SECRET: the environment has no NOBODY",
        "--port: expected a port from 0 to 65535, found 'http'",
        "INTERTIE_WORKERS: expected a whole number such as 20, 20k or 1.5M, found '-1'",
    ]


def test_a_kubernetes_service_named_intertie_does_not_break_the_port() -> None:
    assert load({}, {"INTERTIE_PORT": "tcp://10.0.0.1:4000"}).port == 4000


def test_flags_may_be_typed_values() -> None:
    settings = load({"log_requests": False, "drain_s": 1.5, "port": None}, {"INTERTIE_LOG_REQUESTS": "true"})
    assert (settings.log_requests, settings.drain_s, settings.port) == (False, 1.5, 4000)


def test_the_database_is_a_file_in_the_state_folder_unless_set() -> None:
    assert load({"state": "/var/lib/intertie"}, {}).database_url == "sqlite:////var/lib/intertie/intertie.db"
    assert load({"database": "postgresql://h/d"}, {}).database_url == "postgresql://h/d"


def test_the_proxy_environment_is_a_value() -> None:
    assert proxies({"HTTPS_PROXY": "http://p:1", "no_proxy": "a", "NO_PROXY": "b", "http_proxy": ""}) == {
        "https_proxy": "http://p:1",
        "no_proxy": "a",
    }


def test_settings_travel_to_another_process_as_json() -> None:
    settings = load({"port": 1, "server.max_headers": 2}, {})
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings


def test_flags_are_named_as_on_the_command_line_or_as_in_the_code() -> None:
    for name in ("server.max_headers", "server_max_headers", "server-max-headers"):
        assert load({name: "7"}, {}).server.max_headers == 7


def test_an_unknown_flag_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigFaults, match=r"unknown flag --sever-max-headers \(did you mean --server-max-headers"):
        load({"sever_max_headers": "7"}, {})
