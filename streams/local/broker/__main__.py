"""``python -m streams.local.broker --data-dir DIR --port PORT``: run the embedded broker until SIGTERM."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import structlog

import streams.local.broker
from monitoring.logs import configure_logs
from streams.errors import LocalError
from streams.local.broker.server import serve


def main() -> None:
    """Parse the arguments, run, and exit: 0 after SIGTERM or Ctrl-C, 1 if the broker cannot start."""
    arguments = _parser().parse_args()
    configure_logs("broker", "info")
    try:
        asyncio.run(_run(arguments))
    except LocalError as error:
        structlog.get_logger().critical(f"broker cannot start: {error}", field=error.field)
        sys.exit(1)


async def _run(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with serve(arguments.data_dir, arguments.host, arguments.port, arguments.cleanup_seconds):
        await stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m streams.local.broker",
        description=streams.local.broker.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="where topics are kept; made if need be")
    parser.add_argument("--port", type=int, required=True, help="where to listen")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument(
        "--cleanup-seconds",
        type=float,
        default=30,
        help="pause between two rounds of retention and compaction (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    main()
