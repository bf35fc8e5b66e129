"""Every metric, and the only place that names one."""

from typing import Final

from prometheus_client import Counter, Histogram

API_REQUESTS: Final = Counter(
    "crash_api_requests_total", "Requests to the API by route, method and status", ("route", "method", "status")
)
API_SECONDS: Final = Histogram(
    "crash_api_request_seconds",
    "Time from a request to the begin of its answer",
    ("route",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PAGE_VIEWS: Final = Counter("crash_page_views_total", "Pages shown", ("page",))
PREDICTIONS: Final = Counter("crash_predictions_total", "Crashes predicted on request", ("target",))
