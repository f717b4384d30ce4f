"""The product's own parts: Redis, the data folder, the model."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cli.doctor.finding import Finding, failed, ok, skipped, warning
from cli.doctor.stores import stored_data
from cli.output import clean
from cli.up import embedded
from cli.up.folder import DATA_VERSION, DataFolder
from cli.up.redis_server import RedisRole, find_redis
from cli.up.run_record import read_run
from services.embedding.installing.default import DefaultModel
from services.errors import NearfieldError
from services.settings import Settings

_REDIS_LIMIT_S = 15.0
_SETUP = "run `make setup` again, or use docker compose"


def look_at_parts(settings: Settings) -> Iterator[Finding]:
    """All findings about the parts."""
    if settings.ledger_url and settings.index_url:
        yield from given_servers(settings.ledger_url, settings.index_url)
    else:
        yield embedded_redis()
    folder = DataFolder(settings.data_dir.expanduser().absolute())
    yield data_folder(folder)
    yield from stored_data(folder)
    yield model(DefaultModel(settings).name(), settings)


def embedded_redis() -> Finding:
    """Starts a throw-away server and asks it for the Query Engine: nothing less shows that it runs here."""
    try:
        program = find_redis()
    except NearfieldError as error:
        return failed("redis", "no Redis with the Query Engine", error.message)
    runtime = embedded.make_runtime_folder()
    try:
        role = RedisRole("doctor", "no", 256)
        server = embedded.EmbeddedServer(role, runtime / "doctor.sock", "doctor")
        spec = server.spec(program, DataFolder(runtime))
        return _try_server(server, spec.command, program.server)
    except NearfieldError as error:
        return failed("redis", error.message, _SETUP)
    finally:
        shutil.rmtree(runtime, ignore_errors=True)


def _try_server(server: embedded.EmbeddedServer, command: tuple[str, ...], program: Path) -> Finding:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + _REDIS_LIMIT_S
        while not embedded.is_up(server):
            if process.poll() is not None:
                output = process.stdout.read().decode("utf-8", "replace") if process.stdout else ""
                last = output.strip().splitlines()[-1:] or ["no output"]
                return failed("redis", f"{program} does not start: {last[0]}", _SETUP)
            if time.monotonic() > deadline:
                return failed("redis", f"{program} does not answer within {_REDIS_LIMIT_S:.0f} s", _SETUP)
            time.sleep(0.02)
        return query_engine(server.url, str(program))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def query_engine(url: str, shown: str) -> Finding:
    """Whether the server has the Query Engine."""
    from redis.exceptions import RedisError

    from services.redis_clients import INTERACTIVE, connect

    client = connect(url, INTERACTIVE)
    try:
        version = client.info("server")["redis_version"]
        client.execute_command("FT._LIST")
    except RedisError as error:
        return failed("redis", f"{shown}: no Query Engine ({error})", _SETUP)
    finally:
        client.close()
    return ok("redis", f"{version} with the Query Engine, {shown}")


def given_servers(ledger_url: str, index_url: str) -> Iterator[Finding]:
    """Whether the servers of the settings are two, have the Query Engine, and lose nothing."""
    from redis.exceptions import RedisError

    from services.redis_clients import require_two_servers

    try:
        require_two_servers(ledger_url, index_url)
    except NearfieldError as error:
        yield failed("redis", "the given servers cannot be used", error.message)
        return
    except RedisError as error:
        advice = "start it, or correct NEARFIELD_LEDGER_URL and NEARFIELD_INDEX_URL (unset both for embedded servers)"
        yield failed("redis", f"a given server does not answer: {error}", advice)
        return
    yield query_engine(index_url, "NEARFIELD_INDEX_URL")
    yield persistence("ledger", ledger_url, "always")
    yield persistence("index", index_url, "everysec")


def persistence(name: str, url: str, wanted_fsync: str) -> Finding:
    """Whether a given server keeps what it was told, and refuses rather than forgets when it is full."""
    from redis.exceptions import RedisError

    from services.redis_clients import INTERACTIVE, connect

    client = connect(url, INTERACTIVE)
    try:
        settings = {
            key: str(client.config_get(key).get(key)) for key in ("appendonly", "appendfsync", "maxmemory-policy")
        }
    except RedisError as error:
        return skipped(f"{name} server", f"its settings cannot be read ({error})")
    finally:
        client.close()
    wanted = {"appendonly": "yes", "appendfsync": wanted_fsync, "maxmemory-policy": "noeviction"}
    wrong = [f"{key} is {settings[key]}" for key in wanted if settings[key] != wanted[key]]
    if name == "index":  # rebuildable: a faster fsync setting only costs work after a crash
        wrong = [text for text in wrong if not text.startswith("appendfsync")]
    if wrong:
        advice = "set " + ", ".join(f"{key} {value}" for key, value in wanted.items()) + " in its configuration"
        return warning(f"{name} server", "; ".join(wrong), advice)
    return ok(f"{name} server", "persistent, never evicts")


def data_folder(folder: DataFolder) -> Finding:
    """Whether the data folder is ours to use; changes nothing."""
    if not folder.root.exists():
        return ok("data folder", f"{folder.root} (made at the first start)")
    stamp = folder.root / "VERSION"
    try:
        version = stamp.read_text("utf-8").strip() if stamp.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        return failed("data folder", f"{stamp} cannot be read: {error}", "check its owner and permissions")
    if version and (not version.isdigit() or int(version) > DATA_VERSION):
        advice = "start it with the version that wrote it, or choose another --data-dir"
        return failed("data folder", f"{folder.root} has data version {version!r}, this is {DATA_VERSION}", advice)
    record = read_run(folder.run_file)
    if record is not None and record.alive:
        return ok("data folder", f"{folder.root}, in use by pid {record.pid} at {record.url or 'no URL yet'}")
    if record is not None:
        return ok("data folder", f"{folder.root} (its last run ended without goodbye; the next start clears that)")
    return ok("data folder", str(folder.root))


def model(name: str, settings: Settings | None = None) -> Finding:
    """Loads the model, which checks its files against their hashes, and embeds a sentence.

    A data folder that is not there yet is not made: what loading would keep in it goes with the check.
    """
    with tempfile.TemporaryDirectory(prefix="nearfield-doctor-") as aside:
        return _try_model(name, settings, Path(aside))


def _try_model(name: str, settings: Settings | None, aside: Path) -> Finding:
    from services.embedding.hub import HUB_NAME
    from services.embedding.options import LoadOptions
    from services.embedding.registry import ModelRegistry
    from services.wiring import load_options

    options = load_options(settings) if settings is not None else LoadOptions()
    if settings is not None and not settings.data_dir.expanduser().exists():
        options = replace(options, cache_dir=aside)
    registry = ModelRegistry(options)
    if name not in registry.names() and not name.startswith((".", "/", "~")) and HUB_NAME.fullmatch(name):
        return skipped("model", f"{name} is a hub model and is fetched at its first use; not fetched now")
    began = time.monotonic()
    try:
        embedder = registry.load(name)
        if "text" in embedder.spec.modalities:
            embedder.embed_queries(["is anybody there?"])
    except NearfieldError as error:
        return failed("model", f"{name} cannot be used", error.message)
    seconds, runtime = time.monotonic() - began, embedder.runtime
    why = f" ({clean(runtime.why)})" if runtime.why else ""
    detail = f"{name}: files as expected, {embedder.spec.dim} dimensions, loaded in {seconds:.1f} s"
    return ok("model", f"{detail}, runs on {runtime.name} in {runtime.precision}{why}")
