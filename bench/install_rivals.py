"""Install the rivals of `rivals.yaml`, each in a folder of its own under bench/rivals/, apart from the project.

Run: python -m bench.install_rivals [NAME …]. It needs the package registries; Node.js (npm) for those written for it.
"""

import datetime
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Literal

import msgspec

from bench.system import RIVALS


class Rival(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of `rivals.yaml`: what to install, in which version, and when that was looked up where."""

    name: str
    registry: Literal["pypi", "npm"]
    package: str
    version: str
    checked: datetime.date
    source: str


def rivals() -> list[Rival]:
    """All rivals, from the data file. Raises msgspec.ValidationError if a row is not one."""
    return msgspec.yaml.decode((Path(__file__).parent / "rivals.yaml").read_bytes(), type=list[Rival])


def install(rival: Rival) -> None:
    """Install one rival. Raises CalledProcessError if the registry or a build refuses."""
    folder = RIVALS / rival.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if rival.registry == "npm":
        wanted = f"{rival.package}@{rival.version}"
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), wanted]
    else:
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        command = [*pip, "install", "--quiet", f"{rival.package}=={rival.version}"]
    subprocess.run(command, check=True)


def main(names: list[str]) -> int:
    """Install the named rivals, or all; tell each outcome. Returns how many failed."""
    failed = 0
    for rival in rivals():
        if names and rival.name not in names:
            continue
        try:
            install(rival)
            print(f"{rival.name} {rival.version}: installed in {RIVALS / rival.name}")
        except (subprocess.CalledProcessError, OSError) as fault:
            failed += 1
            shutil.rmtree(RIVALS / rival.name, ignore_errors=True)
            print(f"{rival.name} {rival.version}: could not be installed: {fault}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
