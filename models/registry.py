"""The registry: which models there are, and which of them serve. It is in the bucket `models`, and nowhere else.

- A version is `versions/{version}/`: the model's files and what was found about it. Its `meta.json` is written last
  and once: a version without it is not there, and one with it never changes.
- What serves is the last of an append-only chain of promotions for each target, `serving/{target}/{number}.json`. A
  number is written only where it is free: of two who promote at a time one comes first, and the other after it.

Whoever has models in memory looks here; a message on `model-changes` only says that it is time to.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import structlog
from pydantic import AwareDatetime, BaseModel, Field

from streams.errors import BrokerUnavailable, ModelDamaged, ModelMissing, ObjectExists, ObjectMissing, RequestError
from streams.publisher import Emit
from streams.records import TARGETS, Algorithm, Promotion, Record, Target, Tier
from streams.storage.objects import Objects
from streams.topics import MODEL_CHANGES

if TYPE_CHECKING:
    from models.model import Model

log = structlog.get_logger()

BUCKET: Final = "models"

EVALUATION: Final = "evaluation.json"
CARD: Final = "card.md"
REFERENCE: Final = "reference.json"
_META: Final = "meta.json"

_JSON: Final = "application/json"
# Objects asked for at a time.
_AT_ONCE: Final = 16


class Origin(Record):
    """Where a model comes from: what was asked for, and the data and the code that it was made with.

    `silver_versions` has the content version of each month that it learnt from, `rows` how many crashes each part had.
    `better` says whether it did better than what served then; None where nothing did.
    """

    request_id: str
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    silver_versions: dict[str, int] = Field(default_factory=dict)
    rows: dict[str, int] = Field(default_factory=dict)
    code_version: str
    better: bool | None = None


class Meta(Record):
    """What is known of a version without loading it. `metrics` are the values alone; `files` have their SHA-256."""

    version: str
    target: Target
    tier: Tier
    algorithm: Algorithm
    features: tuple[str, ...]
    threshold: float
    data_from: datetime
    data_through: datetime
    trained_at: datetime
    origin: Origin
    metrics: dict[str, float] = Field(default_factory=dict)
    files: dict[str, str]
    saved_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class Registry:
    """Keeps versions, and says which of them serve."""

    def __init__(self, objects: Objects, emit: Emit) -> None:
        self._objects = objects
        self._emit = emit

    async def save(
        self,
        model: "Model",
        evaluation: BaseModel,
        card: str,
        origin: Origin,
        *,
        metrics: Mapping[str, float] | None = None,
        reference: BaseModel | None = None,
    ) -> Meta:
        """Keep a model under its version, with what was found about it; one that is there stays as it is.

        `metrics` are shown in lists; `reference` is what drift is measured against.
        """
        version, files = await asyncio.to_thread(_written, model)
        with suppress(ModelMissing):
            return await self.describe(version)
        files |= {EVALUATION: evaluation.model_dump_json().encode(), CARD: card.encode()}
        if reference is not None:
            files[REFERENCE] = reference.model_dump_json().encode()
        meta = Meta(
            version=version,
            target=model.target,
            tier=model.tier,
            algorithm=model.algorithm,
            features=model.features,
            threshold=model.threshold,
            data_from=model.data_from,
            data_through=model.data_through,
            trained_at=model.trained_at,
            origin=origin,
            metrics=dict(metrics or {}),
            files={name: sha256(body).hexdigest() for name, body in files.items()},
        )
        for name, body in files.items():
            await self._objects.put(BUCKET, _key(version, name), body)
        try:
            await self._objects.put(BUCKET, _key(version, _META), meta.encode(), content_type=_JSON, if_absent=True)
        except ObjectExists:  # somebody kept the same model meanwhile
            return await self.describe(version)
        log.info("model kept", version=version)
        return meta

    async def describe(self, version: str) -> Meta:
        """What is known of a version. Raises `ModelMissing`, and `ModelDamaged` where that cannot be read."""
        try:
            body, _ = await self._objects.get(BUCKET, _key(version, _META))
        except ObjectMissing:
            raise ModelMissing(
                f"there is no model {version}", field="version", hint="GET /api/model/versions lists those there are"
            ) from None
        try:
            return Meta.decode(body)
        except RequestError as error:
            raise _damaged(version, f"{_META}: {error.message}") from None

    async def list(self) -> list[Meta]:
        """Every version that can be described, the newest first."""
        listed = self._objects.list(BUCKET, "versions/")
        versions = [info.key.split("/")[1] async for info in listed if info.key.endswith(f"/{_META}")]
        turn = asyncio.Semaphore(_AT_ONCE)

        async def describe(version: str) -> Meta | None:
            async with turn:
                try:
                    return await self.describe(version)
                except ModelDamaged as error:
                    log.error("model damaged", version=version, reason=str(error))
                    return None

        found = [meta for meta in await asyncio.gather(*map(describe, versions)) if meta]
        return sorted(found, key=lambda meta: (meta.trained_at, meta.version), reverse=True)

    async def load(self, version: str) -> "Model":
        """The model itself, every file of it checked. Raises `ModelMissing` and `ModelDamaged`."""
        meta = await self.describe(version)
        names = [name for name in meta.files if name not in (EVALUATION, CARD, REFERENCE)]
        bodies = await asyncio.gather(*(self._file(meta, name) for name in names))
        return await asyncio.to_thread(_read, version, dict(zip(names, bodies, strict=True)))

    async def document(self, version: str, name: str) -> bytes:
        """`EVALUATION`, `CARD` or `REFERENCE` of a version. Raises `ModelMissing` and `ModelDamaged`."""
        meta = await self.describe(version)
        if name not in meta.files:
            raise ModelMissing(f"the model {version} has no {name}", field="version", hint="train it again")
        return await self._file(meta, name)

    async def serving(self) -> dict[Target, str]:
        """The version that serves for each target; a target without a model is not in it."""
        return {target: last.version for target, last in (await self.promotions()).items()}

    async def promotions(self) -> dict[Target, Promotion]:
        """The last promotion of each target."""
        newest: dict[str, str] = {}
        async for info in self._objects.list(BUCKET, "serving/"):
            newest[info.key.split("/")[1]] = info.key
        return {target: await self._promotion(newest[target]) for target in TARGETS if target in newest}

    async def history(self, target: Target) -> Sequence[Promotion]:
        """Every promotion of a target, the first one first."""
        keys = [info.key async for info in self._objects.list(BUCKET, f"serving/{target}/")]
        return [await self._promotion(key) for key in keys]

    async def promote(self, version: str, by: str) -> Promotion:
        """Let a version serve from now on; one that does already stays. `by` says who wants it.

        Raises `ModelMissing` and `ModelDamaged`: what cannot be loaded does not come to serve.
        """
        target = (await self.load(version)).target
        while True:
            last = (await self.promotions()).get(target)
            if last and last.version == version:
                return last
            number, before = (last.number, last.version) if last else (0, None)
            try:
                return await self._append(
                    Promotion(target=target, number=number + 1, version=version, before=before, by=by)
                )
            except ObjectExists:  # somebody else came first
                continue

    async def roll_back(self, target: Target, by: str) -> Promotion:
        """Let the version serve again that did before the one which does now.

        Raises `RequestError` where there is none, or where somebody else changes what serves; `ModelDamaged` where
        it cannot be loaded any more.
        """
        chain = await self.history(target)
        versions = _standing(chain)
        if len(versions) < 2:
            serves = f"{versions[0]} is the first that serves" if versions else "no model serves"
            raise RequestError(
                f"{serves} for {target}: there is none before it", field="target", hint="promote a version instead"
            )
        *_, before, now = versions
        await self.load(before)
        try:
            return await self._append(
                Promotion(target=target, number=chain[-1].number + 1, version=before, before=now, back=True, by=by)
            )
        except ObjectExists:
            raise RequestError(
                f"somebody else has just changed what serves for {target}",
                field="target",
                hint="look at what serves now, and roll back again if it is still wrong",
            ) from None

    async def _append(self, promotion: Promotion) -> Promotion:
        key = f"serving/{promotion.target}/{promotion.number:08d}.json"
        await self._objects.put(BUCKET, key, promotion.encode(), content_type=_JSON, if_absent=True)
        log.info("model promoted", **promotion.model_dump(mode="json"))
        try:
            await self._emit(MODEL_CHANGES, promotion)
        except BrokerUnavailable as error:
            # It serves all the same: everybody looks by himself, only later.
            log.warning("promotion not announced", reason=str(error))
        return promotion

    async def _promotion(self, key: str) -> Promotion:
        body, _ = await self._objects.get(BUCKET, key)
        return Promotion.decode(body)

    async def _file(self, meta: Meta, name: str) -> bytes:
        try:
            body, _ = await self._objects.get(BUCKET, _key(meta.version, name))
        except ObjectMissing:
            raise _damaged(meta.version, f"{name} is missing") from None
        if sha256(body).hexdigest() != meta.files[name]:
            raise _damaged(meta.version, f"{name} is not what was kept")
        return body


def _written(model: "Model") -> tuple[str, dict[str, bytes]]:
    return model.version, dict(model.dump())


def _read(version: str, files: Mapping[str, bytes]) -> "Model":
    # Whoever only asks what there is, as the web process at its start, is spared the libraries: they take seconds.
    from models.model import Model

    model = Model.load(files)
    # A model that does not know its version works it out from all of its content: not on the event loop.
    if model.version != version:
        raise _damaged(version, f"its files are those of {model.version}")
    return model


def _standing(chain: Sequence[Promotion]) -> list[str]:
    """Versions that were promoted and not taken back; the last one serves."""
    standing: list[str] = []
    for promotion in chain:
        if promotion.back:
            standing.pop()
        else:
            standing.append(promotion.version)
    return standing


def _key(version: str, name: str) -> str:
    return f"versions/{version}/{name}"


def _damaged(version: str, reason: str) -> ModelDamaged:
    return ModelDamaged(
        f"the model {version} is damaged: {reason}", field="version", hint="promote another version, or train it again"
    )
