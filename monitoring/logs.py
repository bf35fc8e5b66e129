"""Structured logs: one JSON object a line on stderr, with the run, the page and the stage it is about."""

import logging
import sys
from typing import Any

import structlog

# These libraries report each heartbeat and rebalance at INFO; what matters of it comes as a warning.
QUIET = (
    "aiokafka",
    "faust",
    "mode",
    "botocore",
    "aiobotocore",
    "aioboto3",
    "urllib3",
    "uvicorn.access",
    "asyncio",
    "httpx",
)


def configure_logs(process: str, level: str) -> None:
    """Send all logs of this process, and of its libraries, to stderr as JSON lines."""

    def name_process(_: Any, __: str, event: Any) -> Any:
        event["process"] = process
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        name_process,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
