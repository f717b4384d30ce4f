"""Every setting, in one table, read from the environment once at the edge and passed down.

Names avoid the shapes that Kubernetes injects for a service called ``nearfield`` or ``nearfield-...``
(``NEARFIELD_PORT``, ``NEARFIELD_SERVICE_HOST``, ``NEARFIELD_WEB_PORT_8080_TCP_ADDR``): inside a cluster, where
``KUBERNETES_SERVICE_HOST`` is always set, those are passed over.
Any other unknown ``NEARFIELD_*`` variable stops the start, because a typing error in a name must not be silent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from services.embedding.providers.options import clean_url, parse_offered
from services.embedding.rerank.options import parse_rerankers
from services.errors import SettingsError

ENV_PREFIX = "NEARFIELD_"
_CLUSTER_MARK = "KUBERNETES_SERVICE_HOST"
_KUBERNETES_INJECTED = re.compile(
    r"^NEARFIELD_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_.*)?)$"
)

_LEAST_BATCH_TOKENS = 64


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/nearfield``, or ``~/.local/share/nearfield``."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "nearfield"


class Settings(BaseModel):
    """The product's settings. ``NEARFIELD_`` + the upper-case name is the environment variable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_dir: Path = Field(
        default_factory=default_data_dir, description="Folder for everything that must survive a restart"
    )
    bind: str = Field("127.0.0.1:8080", description="Address and port of the web server; port 0 picks a free one")
    url: str = Field("http://127.0.0.1:8080", description="Where the command line finds the running instance")
    ledger_url: str | None = Field(None, description="Redis for ledger and queue; unset: an embedded server")
    index_url: str | None = Field(
        None, description="Redis with the Query Engine for chunks and vectors, database 0; unset: an embedded server"
    )
    allowed_hosts: str = Field("", description="Further host names the web server answers to, comma separated")
    model: str = Field(
        "all-MiniLM-L6-v2",
        description="Model of new collections: an installed or built-in model, one of a provider, a local folder or a "
        "hub name; if set, it decides over a model chosen with `nearfield models default`",
    )
    openai_url: str | None = Field(
        None,
        description="Base URL of OpenAI or a compatible server (Ollama, vLLM, TEI, LM Studio), such as "
        "http://127.0.0.1:11434/v1; unset: OpenAI itself, if there is a key",
    )
    openai_key: SecretStr | None = Field(None, description="Key for it; not needed by most servers of one's own")
    azure_url: str | None = Field(
        None, description="Base URL of an Azure OpenAI resource, such as https://NAME.openai.azure.com"
    )
    azure_key: SecretStr | None = Field(None, description="Key of that resource")
    azure_api_version: str = Field(
        "2024-10-21", pattern=r"^[A-Za-z0-9._-]{1,40}$", description="Version of Azure's interface"
    )
    cohere_url: str | None = Field(None, description="Base URL of Cohere; unset: Cohere itself, if there is a key")
    cohere_key: SecretStr | None = Field(None, description="Key for it")
    provider_models: str = Field(
        "",
        description="Models of providers to offer, comma separated: openai:MODEL, azure:DEPLOYMENT or cohere:MODEL, "
        "each with =DIMENSION/MAX_TOKENS/PRICE if it is to be said, such as openai:nomic-embed-text=768/2048",
    )
    rerankers: str = Field(
        "", description="Rerankers that searches may name, comma separated: installed models or absolute folders"
    )
    rerank_timeout_ms: int = Field(
        10_000, ge=100, le=120_000, description="How long a search may wait for its reranker"
    )
    torch_threads: int = Field(
        0, ge=0, le=256, description="Cores that embed side by side in one process; 0: all of them"
    )
    batch_tokens: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Token budget of one forward pass (rows times longest row), at least 64; 0: measured once",
    )
    device: str = Field(
        "auto",
        pattern="^(auto|cpu|cuda)$",
        description="Where transformers run: auto (a GPU if there is one), cpu or cuda",
    )
    precision: str = Field(
        "auto",
        pattern="^(auto|fp32|bf16)$",
        description="Arithmetic of transformers: auto (bf16 where its vectors agree with fp32 to 0.999), fp32, bf16",
    )
    query_queue: int = Field(
        256, ge=1, le=100_000, description="Queries that may wait for the model before new ones get 503"
    )
    query_wait_ms: int = Field(2, ge=0, le=1000, description="How long the first query of a batch waits for company")
    query_cache: int = Field(4096, ge=0, le=1_000_000, description="Query vectors that a process remembers; 0: none")
    vector_cache_mb: int = Field(
        256,
        ge=0,
        le=1_000_000,
        description="Room for vectors of documents that are kept to be used again, in the data folder, MiB; 0: none",
    )
    web_threads: int = Field(24, ge=4, le=512, description="Threads of the web server, event streams included")
    max_body_bytes: int = Field(
        64 * 1024 * 1024, ge=1024, description="Largest request body but for uploads and bulk lines, bytes"
    )
    max_upload_bytes: int = Field(512 * 1024 * 1024, ge=1024, description="Largest upload of files at once, bytes")
    max_bulk_bytes: int = Field(
        16 * 1024 * 1024 * 1024, ge=1024, description="Longest body of documents one per line, bytes"
    )
    max_file_bytes: int = Field(
        128 * 1024 * 1024, ge=1024, description="Largest file of one document in a format such as PDF or DOCX, bytes"
    )
    uploads_at_once: int = Field(4, ge=1, le=64, description="Uploads and large bodies in work at a time")
    spool_bytes: int = Field(
        4 * 1024 * 1024 * 1024,
        ge=1024,
        description="Bytes of request bodies on their way at a time; one alone may be more",
    )
    memory_high_percent: int = Field(
        90, ge=10, le=99, description="Share of a Redis's memory limit above which new documents are refused, percent"
    )
    disk_free_min_mb: int = Field(
        512, ge=0, description="Free disk space below which new documents are refused, MiB; 0: not watched"
    )
    queue_max_documents: int = Field(
        1_000_000, ge=1, description="Documents that may wait for a worker before new ones are refused"
    )
    max_document_bytes: int = Field(8 * 1024 * 1024, ge=1024, description="Largest text of one document, bytes")
    max_query_chars: int = Field(4000, ge=16, le=100_000, description="Longest query, characters")
    search_timeout_ms: int = Field(1000, ge=10, le=60_000, description="Time limit of one index query")
    lease_ms: int = Field(15_000, ge=500, le=600_000, description="How long a worker holds documents without progress")
    claim_documents: int = Field(512, ge=1, le=1000, description="Documents a worker takes in hand at a time")
    document_deadline_s: int = Field(
        900, ge=5, le=86_400, description="Time a document may take in all attempts before it is failed"
    )
    extract_memory_mb: int = Field(
        1024, ge=512, le=65_536, description="Memory of the process that reads one file, address space, MiB"
    )
    extract_cpu_s: int = Field(60, ge=1, le=3600, description="Processor time for reading one file")
    extract_wall_s: int = Field(90, ge=1, le=3600, description="Time for reading one file")
    extract_silence_s: int = Field(
        15,
        ge=1,
        le=3600,
        description="Time that the reading of a file may show no progress before it is ended; at a third of it in "
        "processor time, and 4 s more for each MB of the file, it is ended too",
    )
    extract_output_mb: int = Field(64, ge=1, le=1024, description="Most that the reading of a file may hand back, MiB")
    extractors: str = Field(
        "", description="Further readers, comma separated, such as text/x-log=our_readers.logs:extract_log"
    )
    keeper_interval_ms: int = Field(2000, ge=50, le=60_000, description="Pause between two sweeps of the keeper")
    fetch_allow_cidrs: str = Field(
        "", description="Networks that pages may be fetched from although they are not public, such as 10.1.0.0/16"
    )
    fetch_ports: str = Field("80,443", description="Ports that pages may be fetched from")
    fetch_max_bytes: int = Field(32 * 1024 * 1024, ge=1024, description="Largest page that is fetched, bytes, unpacked")
    fetch_timeout_s: int = Field(30, ge=1, le=600, description="Time limit of fetching one page, redirects included")
    fetch_pause_ms: int = Field(1000, ge=0, le=60_000, description="Least pause between two requests to one web server")
    source_folders: str = Field(
        "", description="Folders of this machine that folder sources may follow, with ':' between; empty: none"
    )
    source_scan_s: int = Field(5, ge=1, le=86_400, description="How often followed folders are looked through")
    ledger_maxmemory_mb: int = Field(
        0, ge=0, description="Memory limit of the embedded ledger Redis, MiB; 0: fitted to the machine"
    )
    index_maxmemory_mb: int = Field(
        0, ge=0, description="Memory limit of the embedded index Redis, MiB; 0: fitted to the machine"
    )
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least level that is logged")
    log_json: bool = Field(False, description="Log lines as JSON objects")
    demo: bool = Field(True, description="Load the demo collection at the first start")
    eval_data: Path | None = Field(None, description="Folder of evaluation sets used by tests and `make quality`")

    @field_validator("bind")
    @classmethod
    def _bind_has_host_and_port(cls, value: str) -> str:
        split_bind(value)
        return value

    @field_validator("batch_tokens")
    @classmethod
    def _a_budget_holds_a_text(cls, value: int) -> int:
        if 0 < value < _LEAST_BATCH_TOKENS:
            raise ValueError(f"0 (measured) or at least {_LEAST_BATCH_TOKENS}")
        return value

    @field_validator("fetch_allow_cidrs")
    @classmethod
    def _networks_are_networks(cls, value: str) -> str:
        for part in value.replace(",", " ").split():
            ip_network(part, strict=False)
        return value

    @field_validator("fetch_ports")
    @classmethod
    def _ports_are_ports(cls, value: str) -> str:
        ports = value.replace(",", " ").split()
        if not ports or not all(port.isascii() and port.isdigit() and 0 < int(port) < 65_536 for port in ports):
            raise ValueError(f"{value!r} is not a list of ports such as 80,443")
        return value

    @field_validator("openai_url", "azure_url", "cohere_url")
    @classmethod
    def _providers_are_urls(cls, value: str | None) -> str | None:
        return None if value is None else clean_url(value)

    @field_validator("provider_models")
    @classmethod
    def _models_are_models(cls, value: str) -> str:
        parse_offered(value)
        return value

    @field_validator("rerankers")
    @classmethod
    def _rerankers_are_names(cls, value: str) -> str:
        parse_rerankers(value)
        return value

    @model_validator(mode="after")
    def _both_redis_or_none(self) -> Settings:
        if bool(self.ledger_url) != bool(self.index_url):
            raise ValueError(
                "set NEARFIELD_LEDGER_URL and NEARFIELD_INDEX_URL together, or neither for embedded servers"
            )
        return self


def split_bind(value: str) -> tuple[str, int]:
    """Host and port of "host:port" ("[::1]:8080" for IPv6). Raises ValueError with what is allowed."""
    host, colon, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value!r} is not host:port, such as 127.0.0.1:8080 or [::1]:0")
    return host, int(port)


def load_settings(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Reads the environment once.

    Args:
        environ: taken instead of ``os.environ`` (tests).
        overrides: values that win over the environment, such as command line options; None means "not given".

    Raises:
        SettingsError: an unknown ``NEARFIELD_*`` variable or a value out of its range, with the variable's name.
    """
    environ = os.environ if environ is None else environ
    known = set(Settings.model_fields)
    in_cluster = _CLUSTER_MARK in environ
    values: dict[str, object] = {}
    for name, value in environ.items():
        if not name.startswith(ENV_PREFIX) or (in_cluster and _KUBERNETES_INJECTED.match(name)):
            continue
        field = name.removeprefix(ENV_PREFIX).lower()
        if field not in known:
            raise SettingsError(f"unknown setting {name}; `nearfield doctor --settings` lists the settings there are")
        if value != "":
            values[field] = value
    values.update({name: value for name, value in overrides.items() if value is not None})
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ENV_PREFIX + str(first["loc"][0]).upper() if first["loc"] else "settings"
        # URLs may hold passwords, and an error of the whole shows every setting
        given = "" if not first["loc"] or name.endswith(("_URL", "_KEY")) else f" (given: {first.get('input')!r})"
        raise SettingsError(f"{name}: {first['msg']}{given}") from None
