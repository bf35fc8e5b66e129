"""Settings: environment variables with the prefix ``CRASH_``, or a ``.env`` file beside the process.

One frozen object, read once by the composition root and handed to whoever needs it. A wrong value stops the
start with one line that names the variable.
"""

import secrets
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import AnyHttpUrl, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.errors import SettingError

PREFIX = "CRASH_"


class Settings(BaseSettings):
    """Everything a process may be told from outside.

    The broker, the store and Gold may be unset in a run on one machine: `crash-stream up` starts embedded ones
    and passes their addresses to its children through these same variables.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", frozen=True, extra="ignore")

    portal_url: AnyHttpUrl = Field(AnyHttpUrl("https://data.cityofchicago.org"), description="the portal")
    portal_app_token: str | None = Field(None, description="sent as X-App-Token; a wrong one is worse than none")
    portal_rate: float | None = Field(
        None, gt=0, le=1000, description="requests a second; unset: 10 with an app token, 2 without, 1000 on loopback"
    )
    kafka_bootstrap: str | None = Field(None, description="host:port[,host:port]; unset: the embedded broker")
    s3_endpoint_url: AnyHttpUrl | None = Field(None, description="unset: the embedded store")
    s3_access_key: str | None = Field(None, description="key of the S3 store")
    s3_secret_key: str | None = Field(None, description="secret of the S3 store")
    data_dir: Path = Field(Path("data"), description="everything a process keeps on disk")
    web_host: str = Field("127.0.0.1", description="address the pages and the API listen on")
    web_port: int = Field(8000, ge=1, le=65535, description="port of the pages and the API")
    gold_host: str = Field("127.0.0.1", description="address the owner of Gold listens on")
    gold_port: int = Field(8010, ge=1, le=65535, description="port of the owner of Gold")
    gold_url: AnyHttpUrl | None = Field(None, description="where others ask Gold; unset: gold_host and gold_port")
    api_token: str | None = Field(None, min_length=8, description="bearer token for whatever changes state")
    api_reads: int = Field(1200, ge=1, description="requests a minute that read, from one address")
    api_writes: int = Field(120, ge=1, description="requests a minute that change state, from one address")
    since: date | Literal["all"] | None = Field(None, description="extent of the copy: a date or `all`")
    page_rows: int = Field(50_000, ge=1, le=50_000, description="rows a page; the portal serves 50,000 at most")
    fetch_concurrency: int = Field(4, ge=1, le=64, description="pages one worker has in flight")
    poll_seconds: float = Field(60, ge=1, le=86_400, description="time between two polls of the portal for what is new")
    keep_versions_days: float = Field(30, gt=0, le=36_500, description="days of Silver's past that can be read")
    commit: str | None = Field(None, description="git commit of this code; models say which made them")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")

    @field_validator("since", mode="before")
    @classmethod
    def _since(cls, value: object) -> object:
        if isinstance(value, str) and value != "all":
            try:
                return date.fromisoformat(value)
            except ValueError:
                raise ValueError("is a date like 2024-01-31, or the word all") from None
        return value

    @property
    def gold(self) -> str:
        """Base URL of the process that owns Gold, without a slash at its end."""
        url = str(self.gold_url) if self.gold_url else f"http://{self.gold_host}:{self.gold_port}"
        return url.rstrip("/")

    @property
    def broker(self) -> str:
        """Bootstrap address of the broker. Raises `SettingError` where none is set."""
        if self.kafka_bootstrap is None:
            raise missing("CRASH_KAFKA_BOOTSTRAP")
        return self.kafka_bootstrap

    @property
    def portal(self) -> str:
        """Base URL of the portal, without a slash at its end."""
        return str(self.portal_url).rstrip("/")

    @property
    def code_version(self) -> str:
        """Which code this is: the version of the package, and the commit where it is told."""
        return "+".join(filter(None, (version("crash-stream"), self.commit)))

    @property
    def gold_file(self) -> Path:
        """The DuckDB file, which only the `gold` process opens."""
        return self.data_dir / "gold" / "gold.duckdb"


def missing(name: str) -> SettingError:
    """The error for a setting that only an embedded part could do without."""
    hint = f"set {name}, or start everything on this machine with `crash-stream up`"
    return SettingError(f"{name} is not set", field=name, hint=hint)


def load_settings(**overrides: object) -> Settings:
    """Read the settings; an override (from the command line) wins over the environment.

    Raises `SettingError` with one line naming the first variable that is wrong.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # values from outside, validated by the model
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"][:1]).upper()
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingError(f"{name}={first['input']!r}: {reason}", field=name) from None


def new_secret() -> str:
    """A secret for a local run, where nobody has set one."""
    return secrets.token_urlsafe(24)
