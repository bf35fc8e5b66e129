"""Options that several commands share."""

from datetime import date
from pathlib import Path

import click


def day(_: click.Context, __: click.Parameter, value: str | None) -> date | None:
    """An option's value as a date; a `click.BadParameter` names the remedy."""
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no date; write it as YYYY-MM-DD") from None


data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where everything is kept. [default: CRASH_DATA_DIR, or ./data]",
)
