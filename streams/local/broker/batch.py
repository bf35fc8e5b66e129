"""A record batch (format version 2): the unit in which records are sent, checked, stored and fetched.

Batches are stored as they were received, compressed or not; only the eight bytes of the base offset and the
four of the leader epoch are ours, and the batch's CRC32C leaves both out.
"""

import struct
from collections.abc import Callable, Iterator
from mmap import mmap
from typing import NamedTuple

from aiokafka.errors import CorruptRecordException, InvalidRequestError, UnsupportedForMessageFormatError
from aiokafka.record.default_records import DefaultRecord, DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

_LAYOUT = struct.Struct(">qiibIhiqqqhii")
_ASSIGNED = struct.Struct(">qii")  # base offset, length, leader epoch
_MAGIC_AT = 16
_LENGTH_END = 12  # ``length`` counts the bytes after itself
_CHECKED_FROM = 21  # the CRC covers everything from ``attributes`` on
_COMPRESSION_MASK = 0x07
_TRANSACTIONAL_OR_CONTROL = 0x30

HEADER_SIZE = _LAYOUT.size


class Header(NamedTuple):
    """The fixed part of a batch, in the order of the wire."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return _LENGTH_END + self.length

    @property
    def end_offset(self) -> int:
        """The offset after the batch's last."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def plausible(self) -> bool:
        """Whether this can be the start of a batch at all, before its checksum is looked at."""
        return (
            self.length >= HEADER_SIZE - _LENGTH_END
            and self.magic == 2
            and self.base_offset >= 0
            and self.last_offset_delta >= 0
        )


def header_of(data: bytes | memoryview | mmap, position: int = 0) -> Header:
    """Read the header of the batch that begins at ``position``; at least ``HEADER_SIZE`` bytes must follow."""
    return Header._make(_LAYOUT.unpack_from(data, position))


def is_intact(data: bytes | memoryview) -> bool:
    """Whether ``data`` is exactly one batch whose checksum holds."""
    if len(data) < HEADER_SIZE:
        return False
    header = header_of(data)
    return header.plausible and header.size == len(data) and calc_crc32c(data[_CHECKED_FROM:]) == header.crc


def intact_batches(content: mmap, base: int) -> Iterator[tuple[int, Header]]:
    """Walk ``(position, header)`` of the intact batches with rising offsets from ``base`` on, past any damage."""
    position = 0
    while position + HEADER_SIZE <= len(content):
        header = header_of(content, position)
        fits = header.plausible and header.base_offset >= base and position + header.size <= len(content)
        if fits and is_intact(content[position : position + header.size]):
            yield position, header
            position, base = position + header.size, header.end_offset
        else:
            # Only a place where the format's version can be read can be the start of a batch.
            magic = content.find(b"\x02", position + _MAGIC_AT + 1)
            if magic < 0:
                return
            position = magic - _MAGIC_AT


def accept(data: bytes) -> Header:
    """Check what a producer sent as one batch and return its header.

    Raises CorruptRecordException, UnsupportedForMessageFormatError (older than Kafka 0.11) or
    InvalidRequestError (several batches, a batch of a transaction, miscounted records).
    """
    if len(data) < HEADER_SIZE:
        raise CorruptRecordException("the batch is shorter than its header")
    header = header_of(data)
    if header.magic != 2:
        raise UnsupportedForMessageFormatError(f"message format {header.magic} is not supported, only 2")
    if header.size < len(data):
        raise InvalidRequestError("send one batch a partition in each request")
    if not is_intact(data):
        raise CorruptRecordException("the batch's checksum does not hold")
    if header.attributes & _TRANSACTIONAL_OR_CONTROL:
        raise InvalidRequestError("this broker has no transactions")
    if header.record_count != header.last_offset_delta + 1:
        raise InvalidRequestError("the batch's record count does not fit its last offset")
    return header


def placed_at(data: bytes | memoryview, offset: int) -> tuple[bytes, memoryview]:
    """Return the batch with ``offset`` as its base offset, in two pieces so that its body is not copied."""
    length = header_of(data).length
    return _ASSIGNED.pack(offset, length, 0), memoryview(data)[_ASSIGNED.size :]


def records_of(data: bytes) -> Iterator[DefaultRecord]:
    """Decompress and iterate a batch's records; their offsets are absolute."""
    yield from DefaultRecordBatch(data)


def retain(data: bytes, wanted: Callable[[DefaultRecord], bool]) -> bytes | None:
    """Rewrite a batch with only the ``wanted`` records, each at its old offset; None if none is wanted."""
    records = list(records_of(data))
    kept = [record for record in records if wanted(record)]
    if len(kept) == len(records):
        return data
    if not kept:
        return None
    header = header_of(data)
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=header.attributes & _COMPRESSION_MASK,
        is_transactional=0,
        producer_id=header.producer_id,
        producer_epoch=header.producer_epoch,
        base_sequence=header.base_sequence,
        batch_size=2**31 - 1,
    )
    for record in kept:
        delta = record.offset - header.base_offset
        builder.append(delta, record.timestamp, record.key, record.value, record.headers)
    return b"".join(placed_at(bytes(builder.build()), header.base_offset))
