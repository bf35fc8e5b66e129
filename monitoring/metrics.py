"""Every metric, and the only place that names one."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

API_REQUESTS: Final = Counter(
    "crash_api_requests_total", "Requests to the API by route, method and status", ("route", "method", "status")
)
API_SECONDS: Final = Histogram(
    "crash_api_request_seconds",
    "Time from a request to the begin of its answer",
    ("route",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PREDICTIONS: Final = Counter("crash_predictions_total", "Crashes predicted on request", ("target",))

MODEL_SERVES: Final = Gauge("crash_model_serves", "1 for each model that serves", ("target", "version", "tier"))
MODEL_PSI: Final = Gauge(
    "crash_model_psi",
    "Population stability index of a feature, or of `probability`: the last 30 days of data against the training's",
    ("target", "feature"),
)
MODEL_DRIFT_ROWS: Final = Gauge("crash_model_drift_rows", "Crashes that the drift was measured on", ("target",))
MODEL_MEASURED: Final = Gauge(
    "crash_model_measured_timestamp_seconds", "When drift or quality of the serving model was last found", ("target",)
)
# Of the serving model's scores of the last month of crashes whose outcomes are mature and that it has not learned.
MODEL_JUDGED: Final = Gauge("crash_model_realised_rows", "Crashes whose scores were judged by outcomes", ("target",))
MODEL_ROC_AUC: Final = Gauge("crash_model_realised_roc_auc", "Area under the ROC curve of these", ("target",))
MODEL_BRIER: Final = Gauge("crash_model_realised_brier", "Mean squared error of their probabilities", ("target",))
MODEL_ECE: Final = Gauge("crash_model_realised_calibration_error", "Their expected calibration error", ("target",))
MODEL_PREDICTED: Final = Gauge("crash_model_realised_predicted", "The mean of their probabilities", ("target",))
MODEL_BASE_RATE: Final = Gauge("crash_model_realised_base_rate", "The share of them that came true", ("target",))
