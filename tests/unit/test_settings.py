"""Settings name the variable that is wrong, in one line."""

from datetime import date
from pathlib import Path

import pytest

from streams.errors import SettingError
from streams.settings import load_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CRASH_WEB_PORT", "99999"),
        ("CRASH_WEB_PORT", "http"),
        ("CRASH_PORTAL_URL", "data.cityofchicago.org"),
        ("CRASH_SINCE", "yesterday"),
        ("CRASH_PAGE_ROWS", "50001"),
        ("CRASH_API_TOKEN", "short"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as wrong:
        load_settings()
    assert str(wrong.value).startswith(name)
    assert "\n" not in str(wrong.value)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("CRASH_WEB_PORT=8001\nCRASH_GOLD_PORT=8011\nCRASH_SINCE=2024-01-31\n")
    monkeypatch.setenv("CRASH_GOLD_PORT", "8012")
    settings = load_settings(data_dir=Path("elsewhere"), web_port=None)
    assert (settings.web_port, settings.gold_port, settings.data_dir) == (8001, 8012, Path("elsewhere"))
    assert settings.since == date(2024, 1, 31)


def test_all_is_an_extent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASH_SINCE", "all")
    assert load_settings().since == "all"
