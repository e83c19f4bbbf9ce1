"""`intertie bench` runs what is in the checkout, and says so where there is none."""

import json

from cyclopts import App

from intertie.cli import bench


def run(verb, *arguments):
    app = App()
    app.default(verb)
    return app([str(argument) for argument in arguments], result_action="return_value")


def test_overhead_runs_from_any_folder(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    flags = ("--systems", "direct", "--cases", "nonstream_1k", "--seconds", 0.1, "--rounds", 1, "--json")
    assert run(bench.overhead, *flags) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["system"], told["case"]) == ("direct", "nonstream_1k")


def test_the_code_of_a_measurement_is_passed_on():
    assert run(bench.overhead, "--systems", "haproxi") == 2


def test_without_a_checkout_it_says_where_the_measurements_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "_CHECKOUT", tmp_path)
    for verb in (bench.overhead, bench.memory, bench.start):
        assert run(verb) == 2
    assert "from a checkout" in capsys.readouterr().err
