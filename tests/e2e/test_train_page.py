"""Training and a model's page in a real browser, over a city with two trained models."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from models.features import chosen
from streams.records import Promotion, TrainEvent, TrainRequest
from streams.topics import MODEL_CHANGES, TRAIN_REQUESTS
from tests.e2e.browser import Visit, chromium, needs_chromium
from tests.e2e.window import Window
from tests.integration.webapp.serving import TOKEN
from tests.integration.webapp.trained import City, Served, serve_city, trained_city

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
PHONE = 390
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}

expect.set_options(timeout=60_000)


@dataclass
class Service:
    """The app over the city, and a window."""

    served: Served
    window: Window


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    return trained_city(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(city: City, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with (
        serve_city(city, tmp_path_factory.mktemp("train"), trained=True) as served,
        chromium() as browser,
        Window(browser) as window,
    ):
        yield Service(served, window)


async def sign_in(page: Page) -> None:
    await page.get_by_role("main").get_by_role("link", name="Sign in").click()
    await page.get_by_label("API token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()


async def whole(visited: Visit) -> None:
    """Nothing went wrong, everybody can use it, and a phone shows all of it without scrolling sideways."""
    found = await Axe().run(visited.page, "#content", options=AXE)
    grave = [each for each in found.response["violations"] if each["impact"] in ("serious", "critical")]
    assert not grave, [(each["id"], [node["html"] for node in each["nodes"]]) for each in grave]
    await visited.page.set_viewport_size({"width": PHONE, "height": 844})
    for _ in range(50):  # charts follow the window a moment later
        if (width := await visited.page.evaluate("document.documentElement.scrollWidth")) == PHONE:
            break
        await visited.page.wait_for_timeout(200)
    assert width == PHONE
    # That a page is left while it still asks is no fault.
    assert [complaint for complaint in visited.complaints if "ERR_ABORTED" not in complaint] == []


def told(request: TrainRequest, state: str, share: float, **found: Any) -> TrainEvent:
    at = request.at + timedelta(seconds=share)
    return TrainEvent(
        **{"request": request, "state": state, "started_at": request.at, "at": at}, stage="fit", share=share, **found
    )


async def test_a_training_is_asked_for_watched_over_a_reload_and_judged(service: Service) -> None:
    served = service.served
    served.outbox.records.clear()
    address = f"{served.url}/train?tier=at-scene&hyper=num_leaves:31&maturity=soon&nonsense=1"
    async with service.window.visit(address) as visited:
        page = visited.page
        page.set_default_timeout(60_000)
        # What the address says is chosen, and what it says wrongly is as if it did not.
        await expect(page.get_by_label("num_leaves")).to_have_value("31")
        await expect(page.get_by_label("at-scene", exact=True)).to_be_checked()
        await expect(page.get_by_label("Leave out crashes younger than")).to_have_value("14 days")
        await expect(page.locator("#train-features-count")).to_contain_text("of the 59 features of this tier are in")
        await sign_in(page)
        await expect(page.get_by_label("num_leaves")).to_have_value("31")

        await page.get_by_role("button", name=re.compile("^at-scene")).click()
        await page.get_by_label("dooring", exact=True).uncheck()
        await expect(page).to_have_url(re.compile("without=dooring"))
        await page.get_by_role("button", name=re.compile("^In none")).click()
        await expect(page.get_by_role("region", name="Columns that are no features")).to_contain_text("injuries_total")
        await page.get_by_label("Weigh both classes alike").check()
        await page.get_by_label("A recall to reach").check()
        await page.get_by_label("Recall", exact=True).fill("0.7")

        # The field says what is wrong with it; asked all the same, the API does.
        await page.get_by_label("learning_rate").fill("5")
        await expect(page.get_by_text("it takes 0.001 to 1")).to_be_visible()
        await page.get_by_role("button", name="Train", exact=True).click()
        await expect(page.locator("#train-problem")).to_contain_text("learning_rate")
        assert served.outbox.records == []
        await page.get_by_label("learning_rate").fill("0.05")
        await expect(page).to_have_url(re.compile("learning_rate:0.05"))
        await page.get_by_role("button", name="Train", exact=True).click()
        await expect(page).to_have_url(re.compile("job=api-"))
        ((topic, record),) = served.outbox.records
        assert topic is TRAIN_REQUESTS
        request = TrainRequest.decode(record.encode())
        assert (request.tier, request.imbalance, request.recall) == ("at-scene", "weights", 0.7)
        assert request.hyperparameters == {"num_leaves": 31, "learning_rate": 0.05}
        assert set(request.features or ()) == {feature.name for feature in chosen("at-scene")} - {"dooring"}

        served.gold.ask_training([request])
        served.gold.note_training([told(request, "running", 0.5, score=0.71, seconds_left=42)])
        progress = page.get_by_role("progressbar", name=re.compile(request.request_id))
        await expect(progress).to_have_attribute("aria-valuenow", "50")
        await page.reload()
        await expect(progress).to_have_attribute("aria-valuenow", "50")
        await expect(page.locator("#train-job")).to_contain_text("so far 0.710 · about 42 s left")
        await page.get_by_role("button", name="Give it up").click()
        await expect(page.locator("#train-cancelled")).to_contain_text("It ends within seconds")
        cancel = TrainRequest.decode(served.outbox.records[-1][1].encode())
        assert (cancel.request_id, cancel.cancel) == (request.request_id, True)

        # It was over before that came through, and is no better than what serves.
        difference = {"candidate": 0.8, "serving": 0.9, "difference": {"value": -0.1, "low": -0.12, "high": -0.08}}
        comparison = {
            "version": served.report.version,
            "rows": 800,
            "positives": 99,
            "metrics": {"roc_auc": {**difference, "verdict": "worse"}},
            "verdict": "worse",
            "resamples": 400,
            "seed": 0,
        }
        found = {"model_version": served.scene.version, "promoted": False, "comparison": comparison}
        served.gold.note_training([told(request, "finished", 1, **found)])
        await expect(page.locator("#train-job")).to_contain_text("It does not serve: it is worse than what serves")
        await expect(page.locator("#train-job")).to_contain_text("ROC-AUC -0.100 (-0.120 to -0.080)")
        await expect(page.get_by_role("button", name="Give it up")).to_be_hidden()
        await expect(page.locator("#train-jobs")).to_contain_text(request.request_id)
        await expect(page.locator("#train-verdict")).to_contain_text("logistic, at-scene")
        await whole(visited)


async def test_two_models_stand_side_by_side_and_the_other_comes_to_serve(service: Service) -> None:
    served = service.served
    served.outbox.records.clear()
    async with service.window.visit(f"{served.url}/login?next=/train") as visited:
        page = visited.page
        page.set_default_timeout(60_000)
        await page.get_by_label("API token").fill(TOKEN)
        await page.get_by_role("button", name="Sign in").click()
        # Its training compared the second model with the first: that is what is told.
        compared = (await served.ask("GET", "jobs/scene", 200))["comparison"]
        await expect(page.locator("#train-verdict")).to_contain_text("logistic, at-scene")
        auc = compared["metrics"]["roc_auc"]["difference"]["value"]
        said = f"ROC-AUC {auc:+.3f} .* on the same {compared['rows']} crashes and resampled together"
        await expect(page.locator("#train-verdict")).to_have_text(re.compile(said))
        rows = page.get_by_role("region", name="Metrics with their 95 % intervals").get_by_role("row")
        await expect(rows).to_have_count(11)
        await expect(rows.nth(1)).to_contain_text(compared["metrics"]["roc_auc"]["verdict"])
        await expect(page.locator("#train-calibration .scatterlayer .trace")).to_have_count(3)
        await expect(page.get_by_role("region", name=re.compile("Confusion matrix of"))).to_have_count(2)

        serve, yes = page.get_by_role("button", name="Let it serve"), page.get_by_role("button", name="Yes, do it")
        await serve.click()
        await expect(page.get_by_role("dialog")).to_contain_text(served.scene.version)
        await page.get_by_role("button", name="No", exact=True).click()
        await expect(page.get_by_role("dialog")).to_be_hidden()
        assert served.outbox.records == []
        await serve.click()
        await yes.click()
        await expect(page.locator("#train-promoted")).to_contain_text(f"{served.scene.version} serves now")
        await expect(page.locator("#train-verdict")).to_contain_text("logistic, at-scene, ")
        await expect(serve).to_be_disabled()
        await page.get_by_role("button", name="Roll back").click()
        await yes.click()
        await expect(page.locator("#train-promoted")).to_contain_text(f"{served.report.version} serves now")
        changes = [record for topic, record in served.outbox.records if topic is MODEL_CHANGES]
        assert [(change.version, change.back) for change in changes if isinstance(change, Promotion)] == [
            (served.scene.version, False),
            (served.report.version, True),
        ]
        await whole(visited)


async def test_the_page_of_a_model_tells_all_about_it(service: Service) -> None:
    served = service.served
    async with service.window.visit(f"{served.url}/models/{served.report.version}") as visited:
        page = visited.page
        page.set_default_timeout(60_000)
        await expect(page.locator("#model-facts")).to_have_text(re.compile("Serves● yes.*by (api|training report)"))
        await expect(page.locator("#model-card")).to_contain_text("Not for deciding about a person")
        await expect(page.locator("#model-card table").first).to_be_visible()
        await expect(page.locator("#model-evaluation")).to_contain_text("ROC-AUC")
        await expect(page.locator("#model-importance-plot .bars .point")).to_have_count(20)
        await expect(page.locator("#model-drift")).to_contain_text("Not measured yet")
        await expect(page.locator("#model-quality")).to_contain_text("30 days old")
        await whole(visited)
    async with service.window.visit(f"{served.url}/models/never") as visited:
        await expect(visited.page.locator("#model-facts")).to_contain_text("there is no model never")
        assert visited.complaints == []
