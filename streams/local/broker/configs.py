"""The topic configs: Kafka's names, and Kafka's defaults but for the size of a segment."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from aiokafka.errors import InvalidConfigurationError


def _whole(lowest: int) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        try:
            return int(value) >= lowest
        except ValueError:
            return False

    return check


def _share(value: str) -> bool:
    try:
        return 0 <= float(value) <= 1
    except ValueError:
        return False


def _policy(value: str) -> bool:
    return bool(value) and set(value.replace(" ", "").split(",")) <= {"delete", "compact"}


class _Known(NamedTuple):
    default: str
    valid: Callable[[str], bool]
    expected: str


KNOWN = {
    "cleanup.policy": _Known("delete", _policy, "delete, compact or compact,delete"),
    "compression.type": _Known("producer", "producer".__eq__, "producer: batches are stored as they came"),
    "delete.retention.ms": _Known("86400000", _whole(0), "milliseconds"),
    "max.message.bytes": _Known("1048588", _whole(0), "bytes"),
    "message.timestamp.type": _Known("CreateTime", "CreateTime".__eq__, "CreateTime"),
    "min.cleanable.dirty.ratio": _Known("0.5", _share, "a number from 0 to 1"),
    "min.insync.replicas": _Known("1", "1".__eq__, "1: there is one broker"),
    "retention.bytes": _Known("-1", _whole(-1), "bytes, or -1 for no limit"),
    "retention.ms": _Known("604800000", _whole(-1), "milliseconds, or -1 for ever"),
    # Kafka's is 1 GiB: only closed segments are cleaned, and a laptop's disk is no server's.
    "segment.bytes": _Known(str(16 * 1024 * 1024), _whole(14), "bytes, at least 14"),
    "segment.ms": _Known("604800000", _whole(1), "milliseconds, at least 1"),
}


class TopicConfig:
    """One topic's configs: those set, over the defaults. Partitions share the object, so a change is seen."""

    def __init__(self, values: Mapping[str, str | None]) -> None:
        self.replace(values)

    def replace(self, values: Mapping[str, str | None]) -> None:
        """Set these and only these; None means the default. InvalidConfigurationError names what is wrong."""
        chosen = {name: value for name, value in values.items() if value is not None}
        for name, value in chosen.items():
            known = KNOWN.get(name)
            if known is None:
                raise InvalidConfigurationError(f"unknown topic config {name}; known: {', '.join(KNOWN)}")
            if not known.valid(value):
                raise InvalidConfigurationError(f"{name} cannot be {value!r}; expected: {known.expected}")
        self.chosen = chosen

    def __getitem__(self, name: str) -> str:
        return self.chosen.get(name, KNOWN[name].default)

    @property
    def max_message_bytes(self) -> int:
        """Largest batch that is accepted, in bytes, as sent (after compression)."""
        return int(self["max.message.bytes"])

    @property
    def segment_bytes(self) -> int:
        """A segment is closed before it would grow beyond this."""
        return int(self["segment.bytes"])

    @property
    def segment_ms(self) -> int:
        """A segment is closed before it would span more than this, in milliseconds."""
        return int(self["segment.ms"])

    @property
    def policies(self) -> frozenset[str]:
        """``delete``, ``compact`` or both."""
        return frozenset(self["cleanup.policy"].replace(" ", "").split(","))

    @property
    def retention_ms(self) -> int | None:
        """Age at which a segment is deleted; None: never."""
        return _unless_negative(self["retention.ms"])

    @property
    def retention_bytes(self) -> int | None:
        """Size of a partition above which its oldest segments are deleted; None: no limit."""
        return _unless_negative(self["retention.bytes"])

    @property
    def delete_retention_ms(self) -> int:
        """How long a tombstone outlives what it deleted."""
        return int(self["delete.retention.ms"])

    @property
    def min_dirty_ratio(self) -> float:
        """Share of the closed bytes that compaction has not seen yet above which it sets to work."""
        return float(self["min.cleanable.dirty.ratio"])


def _unless_negative(value: str) -> int | None:
    return int(value) if int(value) >= 0 else None
