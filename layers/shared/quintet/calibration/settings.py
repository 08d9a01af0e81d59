"""Settings of the calibration room, by their names in the original service."""

from pydantic import SecretStr

from quintet.kernel.settings import BrokerSettings, Settings, setting

MIB = 1024 * 1024


class Broker(BrokerSettings):
    """RabbitMQ. Without it the worker reads the same messages from the bucket."""

    older_password: SecretStr = setting("RABBITMQ_PASS", "Older name of RABBITMQ_PASSWORD.", default=SecretStr(""))

    @property
    def as_known(self) -> BrokerSettings:
        """With the older password, where no newer one is set."""
        older, chosen = self.older_password, "password" in self.model_fields_set
        return self.model_copy(update={"password": older}) if older.get_secret_value() and not chosen else self

    heartbeat_seconds: int = setting(
        "RABBITMQ_HEARTBEAT",
        "Heartbeat of the connection, in seconds. The broker gives a silent worker's messages to others after two of "
        "them: well below CLIENT_TIMEOUT_SECONDS.",
        default=20,
        ge=1,
    )
    blocked_seconds: int = setting(
        "RABBITMQ_BLOCKED_TIMEOUT", "How long the broker may block the connection, in seconds.", default=300
    )
    connections_queue: str = setting(
        "CONNECTIONS_QUEUE",
        "Queue of the notifications of new clients.",
        default="calibration_service_connections_queue",
    )


class CalibrationService(Settings):
    """The worker."""

    port: int = setting("GRPC_PORT", "Its gRPC port.", default=50051, ge=0, le=65535)
    grace_seconds: float = setting("GRPC_GRACE_SECONDS", "What is being answered may end within.", default=20, gt=0)
    clients: int = setting("UPPER_BOUND_CLIENTS", "Clients served at once by one worker.", default=100, ge=1)
    timeout_seconds: float = setting(
        "CLIENT_TIMEOUT_SECONDS", "A client that sends nothing for so long is ended.", default=60, gt=0
    )
    pod: str = setting("POD_NAME", "Name of this worker, in its logs.", default="")
    replica: str = setting("REPLICA_ID", "Number of this worker, in its logs.", default="1")
    backend: str = setting(
        "CALIBRATION_BACKEND", "The caller (`key-…`) that may register, and see, every client.", default=""
    )


class Streaming(Settings):
    """How messages are taken and made durable."""

    prefetch: int = setting(
        "CALIBRATION_PREFETCH",
        "Messages of a queue that are under way at once; 1 as in the original is right, and slower.",
        default=32,
        ge=1,
        le=1000,
    )
    commit_seconds: float = setting(
        "CALIBRATION_COMMIT_SECONDS", "How long a message waits for others to be made durable with.", default=0.01, ge=0
    )
    commit_mb: int = setting("CALIBRATION_COMMIT_MB", "MiB that are made durable at once.", default=8, ge=1, le=64)
    buffer_mb: int = setting(
        "CALIBRATION_BUFFER_MB", "MiB of messages held until they are durable; more is not read.", default=64, ge=8
    )
    message_mb: int = setting("CALIBRATION_MESSAGE_LIMIT_MB", "Largest message, in MiB.", default=16, ge=1, le=128)
    batches: int = setting("CALIBRATION_BATCH_LIMIT", "Batches of a session.", default=10_000, ge=1)
    repeats: int = setting(
        "CALIBRATION_REPEAT_LIMIT", "Messages of a session that say nothing new.", default=10_000, ge=1
    )
    held_kb: int = setting(
        "CALIBRATION_HELD_KB",
        "KiB of a session that wait in memory for their other half or their turn; with more, the session is evaluated "
        "from the store at its end.",
        default=2048,
        ge=1,
    )
    queue_seconds: float = setting(
        "CALIBRATION_QUEUE_PATIENCE_SECONDS", "How long a queue may be missing.", default=15, gt=0
    )
    keep_inputs: str = setting(
        "CALIBRATION_KEEP_INPUTS",
        "`true`: inputs are kept for the artifacts of MLflow, `false`: not; empty: where MLflow is.",
        default="",
        pattern="^(|true|false)$",
    )


class Leases(Settings):
    """Who serves which session."""

    seconds: float = setting(
        "CALIBRATION_LEASE_SECONDS", "A worker that is silent for so long is taken for dead.", default=15, gt=0
    )
    status_seconds: float = setting(
        "CALIBRATION_STATUS_SECONDS", "How often the live status is written.", default=5, gt=0
    )


class Stages(Settings):
    """U-TraCE's stages, and how scores are made."""

    calibration_batches: int = setting("CALIBRATION_BATCHES", "Batches of the initial calibration.", default=11, ge=1)
    uncertainty_batches: int = setting(
        "UNCERTAINTY_BATCHES", "Batches that estimate the uncertainty, after those.", default=10, ge=0
    )
    score: str = setting(
        "CONFORMITY_SCORE",
        "`lac` (1 - p of the true class) or `aps` (cumulated).",
        default="lac",
        pattern="^(lac|aps)$",
    )


class Mlflow(Settings):
    """Where runs are logged; nowhere without an address."""

    uri: str = setting("MLFLOW_TRACKING_URI", "The tracking server; empty: none.", default="")
    experiment: str = setting(
        "MLFLOW_EXPERIMENT_NAME",
        "What the experiments of clients registered by gRPC begin with.",
        default="Calibration Experiment for MNIST",
    )
    s3_endpoint: str = setting("MLFLOW_S3_ENDPOINT_URL", "Where MLflow's artifacts lie, if not on S3.", default="")
    artifacts: str = setting("ARTIFACTS_PATH", "Folder for files on their way to MLflow.", default="artifacts")


class Reports(Settings):
    """What clients read."""

    language: str = setting("REPORT_LANGUAGE", "`en` or `es`.", default="en", pattern="^(en|es)$")


class Connections(Settings):
    """The service that is told how sessions end."""

    url: str = setting(
        "CONNECTIONS_SERVICE_URL", "Its address; empty: nobody is told.", default="", pattern="^(|https?://.+)$"
    )


class Keys(Settings):
    """Who may call. The doors are open only where QUINTET_LOCAL is true and keys are not enabled."""

    enabled: bool = setting("ENABLE_API_KEYS", "Ask for an API key locally too; elsewhere it always is.", default=False)
    secret_arn: str = setting("CALIBRATION_API_KEYS_SECRET_ARN", "Secrets Manager secret: one key a line.", default="")
