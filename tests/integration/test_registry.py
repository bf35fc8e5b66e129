"""The registry keeps versions as they are, lets one serve, and refuses what is damaged."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime

import pytest
from pydantic import BaseModel

from models.features import build
from models.model import Model
from models.registry import BUCKET, CARD, EVALUATION, REFERENCE, Meta, Origin, Registry
from models.scorer import Scorer
from streams.domain.clean import GoldFrames, gold_frames
from streams.errors import BrokerUnavailable, ModelDamaged, ModelMissing, RequestError
from streams.records import Promotion, Record
from streams.storage.objects import S3Objects
from streams.topics import MODEL_CHANGES, Topic
from tests.city_gold import city_changes
from tests.embedded_s3 import shared_objects
from tests.trained import trained

ORIGIN = Origin(request_id="r1", code_version="0.1.0", silver_versions={"2024-01": 3}, rows={"train": 400})


class Found(BaseModel):
    roc_auc: float


class Sent(list[Promotion]):
    """What was published to `model-changes`."""

    async def emit(self, topic: Topic, record: Record) -> None:
        assert topic is MODEL_CHANGES
        assert isinstance(record, Promotion)
        self.append(record)


@pytest.fixture(scope="module")
def frames() -> GoldFrames:
    (change,) = city_changes(1, date(2024, 1, 1), date(2024, 1, 31), 600)
    return gold_frames(change.silver)


@pytest.fixture(scope="module")
def models(frames: GoldFrames) -> list[Model]:
    """Three for one target, and one for the other."""
    injury = [trained(frames, algorithm="logistic", threshold=threshold) for threshold in (0.2, 0.3, 0.4)]
    return [*injury, trained(frames, "injury_severe", algorithm="logistic")]


@pytest.fixture
async def objects() -> AsyncIterator[S3Objects]:
    async with shared_objects() as objects:
        yield objects


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def registry(objects: S3Objects, sent: Sent) -> Registry:
    return Registry(objects, sent.emit)


async def keep(registry: Registry, *models: Model) -> list[str]:
    for model in models:
        await registry.save(model, Found(roc_auc=0.8), "# Card", ORIGIN, metrics={"roc_auc": 0.8})
    return [model.version for model in models]


async def test_a_version_is_described_and_loaded_as_it_was_kept(
    registry: Registry, models: list[Model], frames: GoldFrames
) -> None:
    model = models[0]
    kept = await registry.save(
        model, Found(roc_auc=0.8), "# Card", ORIGIN, metrics={"roc_auc": 0.8}, reference=Found(roc_auc=0.1)
    )
    found = await registry.describe(model.version)
    assert found == kept
    assert (found.target, found.tier, found.algorithm, found.threshold) == ("injury", "report", "logistic", 0.2)
    assert (found.origin, found.metrics) == (ORIGIN, {"roc_auc": 0.8})
    features = build(frames.crashes, frames.vehicles, frames.people)
    assert (await registry.load(model.version)).score(features).equals(model.score(features))
    documents = [await registry.document(model.version, name) for name in (EVALUATION, CARD, REFERENCE)]
    assert documents == [b'{"roc_auc":0.8}', b"# Card", b'{"roc_auc":0.1}']


async def test_a_version_never_changes(registry: Registry, models: list[Model]) -> None:
    first = await registry.save(models[0], Found(roc_auc=0.8), "# Card", ORIGIN)
    both = [registry.save(models[0], Found(roc_auc=0.1), "# Other", ORIGIN, metrics={"x": 1.0}) for _ in range(2)]
    assert await asyncio.gather(*both) == [first, first]
    assert await registry.document(models[0].version, CARD) == b"# Card"


async def test_a_version_that_was_not_finished_is_not_there(
    registry: Registry, objects: S3Objects, models: list[Model]
) -> None:
    (version,) = await keep(registry, models[0])
    await objects.delete(BUCKET, [f"versions/{version}/meta.json"])
    assert await registry.list() == []
    for attempt in (registry.describe(version), registry.load(version), registry.promote(version, "me")):
        with pytest.raises(ModelMissing) as missing:
            await attempt
        assert missing.value.field == "version"
    assert await keep(registry, models[0]) == [version]  # kept again, it is
    assert [meta.version for meta in await registry.list()] == [version]


async def test_versions_are_listed_newest_first(registry: Registry, models: list[Model], frames: GoldFrames) -> None:
    newer = trained(frames, algorithm="logistic", trained_at=datetime(2024, 7, 1, tzinfo=UTC))
    await keep(registry, newer, *models)
    listed: list[Meta] = list(await registry.list())
    assert listed[0].version == newer.version
    assert {meta.version for meta in listed[1:]} == {model.version for model in models}


async def test_promotions_and_roll_backs_are_a_chain_that_survives_and_is_announced(
    registry: Registry, objects: S3Objects, models: list[Model], sent: Sent
) -> None:
    a, b, c, severe = await keep(registry, *models)
    assert await registry.serving() == {}
    for version in (a, b, c):
        await registry.promote(version, "me")
    await registry.promote(severe, "me")
    assert await registry.serving() == {"injury": c, "injury_severe": severe}
    # Each takes back one promotion: not to and fro between the last two.
    assert (await registry.roll_back("injury", "you")).version == b
    last = await registry.roll_back("injury", "you")
    assert (last.version, last.before, last.back, last.by, last.number) == (a, b, True, "you", 5)
    with pytest.raises(RequestError, match="there is none before it") as first:
        await registry.roll_back("injury", "you")
    assert first.value.field == "target"
    with pytest.raises(RequestError):
        await registry.roll_back("injury_severe", "you")
    again = await registry.promote(c, "me")
    assert await registry.promote(c, "me") == again  # it serves already
    assert (await registry.roll_back("injury", "me")).version == a

    heir = Registry(objects, sent.emit)
    chain = await heir.history("injury")
    assert [promotion.version for promotion in chain] == [a, b, c, b, a, c, a]
    assert [promotion for promotion in sent if promotion.target == "injury"] == chain
    assert await heir.serving() == {"injury": a, "injury_severe": severe}


async def test_of_many_who_promote_at_a_time_each_takes_a_number(registry: Registry, models: list[Model]) -> None:
    versions = await keep(registry, *models[:3])
    await asyncio.gather(*(registry.promote(version, version) for version in versions))
    chain = await registry.history("injury")
    assert [promotion.number for promotion in chain] == [1, 2, 3]
    assert {promotion.version for promotion in chain} == set(versions)
    assert [promotion.before for promotion in chain] == [None, *[promotion.version for promotion in chain[:2]]]


async def test_of_two_who_roll_back_at_a_time_one_is_told(registry: Registry, models: list[Model]) -> None:
    for version in await keep(registry, *models[:3]):
        await registry.promote(version, "me")
    said = await asyncio.gather(*(registry.roll_back("injury", "me") for _ in range(2)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in said) == ["Promotion", "RequestError"]
    assert await registry.serving() == {"injury": models[1].version}


def _cut(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _bit(body: bytes) -> bytes:
    return body[:-3] + bytes([body[-3] ^ 1]) + body[-2:]


@pytest.mark.parametrize(
    ("file", "harm"),
    [("manifest.json", _bit), ("encoding.json", _cut), ("calibration.json", _bit), ("classifier.logistic.json", None)],
)
async def test_a_damaged_version_neither_loads_nor_comes_to_serve(
    registry: Registry, objects: S3Objects, models: list[Model], file: str, harm: Callable[[bytes], bytes] | None
) -> None:
    good, bad = await keep(registry, *models[:2])
    await registry.promote(good, "me")
    key = f"versions/{bad}/{file}"
    if harm:
        await objects.put(BUCKET, key, harm((await objects.get(BUCKET, key))[0]))
    else:
        await objects.delete(BUCKET, [key])
    for attempt in (registry.load(bad), registry.promote(bad, "me")):
        with pytest.raises(ModelDamaged, match=file) as damaged:
            await attempt
        assert damaged.value.hint
    assert await registry.serving() == {"injury": good}


async def test_files_of_another_model_are_no_version(
    registry: Registry, objects: S3Objects, models: list[Model]
) -> None:
    one, other = await keep(registry, *models[:2])
    async for info in objects.list(BUCKET, f"versions/{other}/"):
        body, _ = await objects.get(BUCKET, info.key)
        await objects.put(BUCKET, info.key.replace(other, one), body)
    with pytest.raises(ModelDamaged, match=f"those of {other}"):
        await registry.load(one)


async def test_a_process_keeps_what_it_serves_when_the_next_model_cannot_be_loaded(
    registry: Registry, objects: S3Objects, models: list[Model]
) -> None:
    a, b = await keep(registry, *models[:2])
    scorer = Scorer(registry)
    assert not await scorer.refresh()
    with pytest.raises(ModelMissing):
        scorer.model("injury")
    await registry.promote(a, "me")
    assert await scorer.refresh()
    assert not await scorer.refresh()
    await registry.promote(b, "me")
    key = f"versions/{b}/encoding.json"
    body, _ = await objects.get(BUCKET, key)
    await objects.put(BUCKET, key, _bit(body))
    assert not await scorer.refresh()
    assert scorer.model("injury").version == a
    await objects.put(BUCKET, key, body)
    assert await scorer.refresh()
    assert scorer.model("injury").version == b


async def test_a_promotion_without_a_broker_serves_all_the_same(objects: S3Objects, models: list[Model]) -> None:
    async def away(topic: Topic, record: Record) -> None:
        raise BrokerUnavailable("no broker answers")

    registry = Registry(objects, away)
    (version,) = await keep(registry, models[0])
    assert (await registry.promote(version, "me")).number == 1
    assert await registry.serving() == {"injury": version}
