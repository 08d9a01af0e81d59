"""Settings of the aggregation room, by their names in the original service where it had them."""

from typing import Literal

from quintet.kernel.settings import Settings, setting


class Keys(Settings):
    """Who may call. The door is open only where QUINTET_LOCAL is true and keys are not enabled."""

    enabled: bool = setting("ENABLE_API_KEYS", "Ask for an API key locally too; elsewhere it always is.", default=False)
    secret_arn: str = setting("AGGREGATION_API_KEYS_SECRET_ARN", "Secrets Manager secret: one key a line.", default="")
    callers: Literal["key", "iam"] = setting(
        "AGGREGATION_CALLERS",
        "`key`: callers have API keys; `iam`: API Gateway knows them by AWS's IAM.",
        default="key",
    )
    administrators: str = setting(
        "AGGREGATION_ADMINISTRATORS", "ARNs of the IAM callers who orchestrate, with commas between.", default=""
    )


class Coordinator(Settings):
    """An aggregator of somebody else's; without one, ours sums up."""

    host: str = setting("COORDINATOR_HOST", "Its host; empty: our own secure aggregation.", default="")
    port: int = setting("COORDINATOR_PORT", "Its port.", default=12314, ge=1, le=65535)
    poll_seconds: float = setting("COORDINATOR_POLL_SECONDS", "Seconds between two looks at it.", default=3, gt=0)


class Jobs(Settings):
    """How long jobs wait, and for how many."""

    deadline_seconds: float = setting(
        "JOB_DEADLINE_SECONDS", "Clients may report for so long after the first one.", default=3600, gt=0
    )
    aggregation_seconds: float = setting(
        "AGGREGATION_DEADLINE_SECONDS",
        "A secure aggregation that takes longer has failed.",
        default=1200,
        gt=0,
        le=86400,
    )
    round_seconds: float = setting(
        "ROUND_SECONDS",
        "Owners have so long for each round of our own secure aggregation; the sum goes on without those who are late.",
        default=60,
        ge=1,
        le=3600,
    )
    minimum_cohort: int = setting(
        "MINIMUM_COHORT",
        "Sums over fewer owners are not released; 2 is the least that hides anything.",
        default=3,
        ge=2,
    )
    retention_days: int = setting("JOB_RETENTION_DAYS", "Jobs are forgotten after so long.", default=30, ge=1)


class Results(Settings):
    """Where results go."""

    api_url: str = setting("RESULTS_API_URL", "They are posted there; empty: nowhere.", default="")
    save_path: str = setting(
        "RESULTS_SAVE_PATH",
        "Folder, or s3://bucket/prefix, of their files; empty: `aggregation/results` in QUINTET_BUCKET.",
        default="",
    )
    sending: bool = setting("ENABLE_API_SENDING", "Post them.", default=True)
    saving: bool = setting("ENABLE_FILESYSTEM_SAVING", "Write their files.", default=True)
    formats: str = setting(
        "RESULTS_FORMATS", "`json`, `txt` or `json,txt`.", default="json", pattern=r"^(json|txt)(,(json|txt))?$"
    )
    return_url_hosts: str = setting(
        "RETURN_URL_HOSTS",
        "Hosts that a request's `returnUrl` may name, with commas between; `*.example.org` names all below it.",
        default="",
    )
    attempts: int = setting("DELIVERY_ATTEMPTS", "A delivery that failed so often is set aside.", default=10, ge=1)


class TextLog(Settings):
    """The original's log, as text in a file, instead of JSON."""

    enabled: bool = setting("CENTRALIZED_LOGGING_ENABLED", "Write it.", default=False)
    path: str = setting(
        "CENTRALIZED_LOGGING_PATH", "Its folder; the file is computations-orchestrator.log.", default="../logs"
    )


class Queues(Settings):
    """The room's queues."""

    aggregate_url: str = setting("QUINTET_AGGREGATE_QUEUE_URL", "SQS queue of jobs to look after.", default="")
    deliver_url: str = setting("QUINTET_DELIVER_QUEUE_URL", "SQS queue of results to tell.", default="")
