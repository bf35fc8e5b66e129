"""Where the parts of a running `crash-stream up` listen, for commands started beside it."""

import os
from pathlib import Path

from pydantic import BaseModel, ValidationError

from streams.settings import Settings, new_secret


class Services(BaseModel):
    """Addresses and credentials of one run on this machine, as `DATA_DIR/services.json`, readable by its owner only."""

    kafka_bootstrap: str
    s3_endpoint_url: str
    s3_access_key: str
    s3_secret_key: str
    portal_url: str
    gold_port: int
    web_port: int
    api_token: str

    def environment(self) -> dict[str, str]:
        """The settings these amount to, as environment variables."""
        return {f"CRASH_{name.upper()}": str(value) for name, value in self.model_dump().items()}


class Secrets(BaseModel):
    """Secrets made up for a run on this machine, kept so that a second start opens what the first stored."""

    s3_access_key: str
    s3_secret_key: str
    api_token: str


def write_private(path: Path, model: BaseModel) -> None:
    """Write `model` as JSON, readable by its owner only, whole or not at all."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(model.model_dump_json(indent=2))
    temporary.replace(path)


def secrets(data_dir: Path) -> Secrets:
    """The secrets of this data directory; made up at its first start."""
    path = data_dir / "secrets.json"
    try:
        return Secrets.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        made_up = Secrets(s3_access_key="crash-stream", s3_secret_key=new_secret(), api_token=new_secret())
        write_private(path, made_up)
        return made_up


def services_file(data_dir: Path) -> Path:
    """Where a running `up` says where its parts listen."""
    return data_dir / "services.json"


def located(settings: Settings) -> Settings:
    """`settings` with what is unset taken from the `up` that runs on the same data directory, if one does."""
    try:
        services = Services.model_validate_json(services_file(settings.data_dir).read_bytes())
    except (FileNotFoundError, ValidationError):
        return settings
    found = {name: value for name, value in services.model_dump().items() if name not in settings.model_fields_set}
    return Settings.model_validate({**settings.model_dump(exclude_unset=True), **found})
