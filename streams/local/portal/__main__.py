"""``python -m streams.local.portal``: serve the simulated portal until stopped."""

import argparse
import logging
import sys
from datetime import date
from pathlib import Path

from aiohttp import web

from streams.errors import CrashStreamError, RequestError
from streams.local.portal.faults import Faults
from streams.local.portal.living import live
from streams.local.portal.server import create_app
from streams.local.portal.source import GeneratedCity, GivenRows, open_tables

_log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit code is 2 where an argument or a given file is at fault."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="portal: %(message)s")
    try:
        _serve(options)
    except CrashStreamError as error:
        print(f"portal: {error}", file=sys.stderr)
        return 2
    return 0


def _serve(options: argparse.Namespace) -> None:
    source = _source(options)
    faults = Faults.parse(options.faults) if options.faults else None
    try:
        tables = open_tables(options.data_dir, source)
    except OSError as error:
        raise RequestError(f"{options.data_dir}: {error.strerror}", field="--data-dir") from None
    try:
        app = create_app(tables, app_token=options.app_token, faults=faults)
        if options.speed > 0 and isinstance(source, GeneratedCity):
            app.cleanup_ctx.append(live(source.life(tables), options.speed))
        _log.info("serving on http://%s:%s", options.host, options.port)
        web.run_app(app, host=options.host, port=options.port, access_log=None, print=None)
    except OSError as error:
        raise RequestError(f"cannot listen on {options.host}:{options.port}: {error.strerror}") from None
    finally:
        tables.close()


def _source(options: argparse.Namespace) -> GivenRows | GeneratedCity:
    if options.rows is not None:
        if options.speed > 0:
            raise RequestError("given rows do not live", hint="leave out --speed or --rows")
        return GivenRows(options.rows.resolve())
    if (options.start is None) != (options.end is None):
        raise RequestError("--start and --end go together", field="--start")
    if options.start is not None and options.start >= options.end:
        raise RequestError(f"--start {options.start} is not before --end {options.end}", field="--start")
    return GeneratedCity(options.seed, options.crashes, options.days, options.start, options.end)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m streams.local.portal", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True, help="where the DuckDB file is kept")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--rows", type=Path, help="serve the SODA rows of DIR/{crashes,vehicles,people}.json")
    what.add_argument("--crashes", type=_positive, help="how many the city has (default: about 300 a day)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--days", type=_positive, default=30, help="the city's history, up to today")
    parser.add_argument("--start", type=date.fromisoformat, help="its first day, instead of --days")
    parser.add_argument("--end", type=date.fromisoformat, help="the day after its last")
    parser.add_argument("--speed", type=float, default=0.0, help="simulated seconds a second; 0 is frozen")
    parser.add_argument("--faults", metavar="SEED:RATE", help="requests go wrong, that share of them")
    parser.add_argument("--app-token", help="refuse any other token")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
