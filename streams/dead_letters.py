"""Dead letters as Gold lists them: looking at them, and publishing their messages once more."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from streams.errors import RequestError
from streams.publisher import Emit, Republish
from streams.records import DeadLetter
from streams.storage.gold.client import GoldClient
from streams.topics import DEAD_LETTERS, TOPICS

# Published side by side; their bytes, at most 2 MiB each, fit an answer of Gold.
_AT_ONCE: Final = 50
_MOST: Final = 1_000_000

# A letter is called by the place that its message had.
_NAME: Final = """concat_ws('/', topic, "partition", "offset")"""
_ORDER: Final = """topic, "partition", "offset\""""

# Text is shown where the bytes are UTF-8, and base64 where they are not: the first few hundred of them.
_LISTED: Final = f"""
select
    {_NAME} as letter, topic, "partition", "offset", stage, error, message, field, run_id, failed_at, replayed_at,
    left(try(decode(key)), 400) as key,
    if(try(decode(key)) is null, to_base64(key[1:300]), null) as key_base64,
    left(try(decode(value)), 400) as value,
    if(try(decode(value)) is null, to_base64(value[1:300]), null) as value_base64,
    octet_length(value) as size
from dead_letters
where ($topic is null or topic = $topic)
    and ($run_id is null or run_id = $run_id)
    and ($replayed is null or (replayed_at is not null) = $replayed)
order by failed_at desc, {_ORDER}
"""  # noqa: S608 -- of names of our own
_WAITING: Final = f"""
select {_NAME} as letter from dead_letters
where replayed_at is null and ($topic is null or topic = $topic)
order by {_ORDER}
"""  # noqa: S608
_NAMED: Final = f"""
select {_NAME} as letter from dead_letters
where letter in (select unnest(string_split($letters, chr(10))))
order by {_ORDER}
"""  # noqa: S608
_FOUND: Final = f"""
select * from dead_letters
where {_NAME} in (select unnest(string_split($letters, chr(10))))
order by {_ORDER}
"""  # noqa: S608


@dataclass
class Replay:
    """What became of letters: how many messages were published again, and which could not be, with the reason."""

    replayed: int = 0
    refused: dict[str, str] = field(default_factory=dict)


async def listed(
    gold: GoldClient,
    *,
    topic: str | None = None,
    run_id: str | None = None,
    replayed: bool | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Dead letters, the last to fail first, their bytes shortened. Raises `RequestError` for a topic that is none."""
    _check(topic)
    parameters = {"topic": topic, "run_id": run_id, "replayed": replayed}
    rows: list[dict[str, Any]] = (await gold.query(_LISTED, limit=limit, parameters=parameters)).table.to_pylist()
    return rows


async def replay(
    gold: GoldClient,
    republish: Republish,
    emit: Emit,
    *,
    letters: Sequence[str] | None = None,
    topic: str | None = None,
) -> Replay:
    """Publish messages again, as they were, to the topics they came from; one that fails again is a new letter.

    `letters` (`topic/partition/offset`) names them; else they are all that were not replayed yet, of `topic` or of any.
    Gold is told of each through `dead-letters`. Done twice, or cut short and repeated, it harms nothing. Raises
    `RequestError` for a letter that is not there, before anything is published.
    """
    if letters is None:
        _check(topic)
        names = await _names(gold, _WAITING, {"topic": topic})
    else:
        names = await _names(gold, _NAMED, {"letters": "\n".join(letters)})
        for unknown in (letter for letter in letters if letter not in set(names)):
            raise RequestError(
                f"there is no dead letter {unknown}",
                field="letters",
                hint="a letter is named topic/partition/offset; list them to see which there are",
            )
    result = Replay()
    for start in range(0, len(names), _AT_ONCE):
        found = await _find(gold, names[start : start + _AT_ONCE])
        reasons = await asyncio.gather(*(_publish(letter, republish, emit) for letter in found))
        refused = {_name(letter): reason for letter, reason in zip(found, reasons, strict=True) if reason}
        result.refused |= refused
        result.replayed += len(found) - len(refused)
    return result


async def _names(gold: GoldClient, sql: str, parameters: dict[str, object]) -> list[str]:
    answer = await gold.query(sql, limit=_MOST, parameters=parameters)
    return [str(name) for name in answer.table["letter"].to_pylist()]


async def _publish(letter: DeadLetter, republish: Republish, emit: Emit) -> str | None:
    """Publish the message of `letter` and say so to Gold; returns why it cannot be."""
    try:
        await republish(letter.topic, letter.key, letter.value)
    except RequestError as error:
        return str(error)
    await emit(DEAD_LETTERS, letter.model_copy(update={"replayed_at": datetime.now(UTC)}))
    return None


async def _find(gold: GoldClient, names: Sequence[str]) -> list[DeadLetter]:
    answer = await gold.query(_FOUND, limit=len(names), parameters={"letters": "\n".join(names)})
    return [_letter(row) for row in answer.table.to_pylist()]


def _letter(row: dict[str, Any]) -> DeadLetter:
    times = {"at": row.pop("failed_at").replace(tzinfo=UTC), "replayed_at": None}
    return DeadLetter(**(row | times))


def _name(letter: DeadLetter) -> str:
    return f"{letter.topic}/{letter.partition}/{letter.offset}"


def _check(topic: str | None) -> None:
    names = [one.name for one in TOPICS]
    if topic is not None and topic not in names:
        raise RequestError(f"there is no topic {topic}", field="topic", hint=f"one of {', '.join(names)}")
