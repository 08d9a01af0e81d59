"""Settings of the handover room, by their names in the original service where it had them."""

from typing import Literal

from pydantic import SecretStr

from quintet.handover.messages import Kind
from quintet.kernel.settings import Settings, setting

NO_SECRET = SecretStr("")


class Access(Settings):
    """Who may call. Without its secrets the room refuses to start."""

    username: str = setting("AUTH_USERNAME", "Who may log in.", default="")
    password: SecretStr = setting(
        "AUTH_PASSWORD", "Their password, or its argon2 hash (`$argon2id$…`).", default=NO_SECRET
    )
    jwt_secret: SecretStr = setting("JWT_SECRET", "Signs access tokens (HS256); 32 bytes or more.", default=NO_SECRET)
    jwt_refresh_secret: SecretStr = setting(
        "JWT_REFRESH_SECRET", "Signs refresh tokens; another one than JWT_SECRET.", default=NO_SECRET
    )
    secret_arn: str = setting(
        "HANDOVER_SECRET_ARN",
        "Secrets Manager secret, a JSON object that holds those of this room's secrets that are not set here, by their"
        " names.",
        default="",
    )
    expires_minutes: float = setting("JWT_EXPIRES_MINUTES", "An access token's life.", default=30, gt=0)
    refresh_expires_hours: float = setting("JWT_REFRESH_EXPIRES_HOURS", "A refresh token's life.", default=24, gt=0)
    disabled: bool = setting(
        "AUTH_DISABLED", "`true`: anybody may call, for local experiments; each start warns.", default=False
    )


class Limits(Settings):
    """How often one address may call, and how often it may guess."""

    per_minute: int = setting("RATE_LIMIT_PER_MINUTE", "Requests a minute from one address.", default=100, ge=1)
    attempts: int = setting("AUTH_MAX_ATTEMPTS", "Wrong credentials until an address is locked out.", default=5, ge=1)
    lockout_seconds: int = setting("AUTH_LOCKOUT_SECONDS", "It is locked out for so long.", default=300, ge=1)


class MetricsAccess(Settings):
    """Who may read `/metrics`: at least one way must be open, unless the question is switched off."""

    enabled: bool = setting("METRICS_AUTH_ENABLED", "Ask for credentials.", default=True)
    username: str = setting("METRICS_AUTH_USERNAME", "For Basic; `-`: no Basic.", default="metrics")
    password: SecretStr = setting("METRICS_AUTH_PASSWORD", "For Basic; empty: no Basic.", default=NO_SECRET)
    api_key: SecretStr = setting("METRICS_API_KEY", "A Bearer key; empty: none.", default=NO_SECRET)
    expiry_seconds: int = setting("METRICS_JWT_EXPIRY_SECONDS", "A metrics token's life.", default=3600, ge=1)


class Models(Settings):
    """Which model answers, where its versions are, and how they are trained."""

    path: str = setting(
        "MODEL_PATH",
        "Where versions are kept: a prefix of QUINTET_BUCKET. Of the original's path its folder counts.",
        default="handover/models",
    )
    kind: Kind = setting(
        "MODEL_TYPE", "lightgbm, lstm, ensemble, online or fixed_labels; a switched version's own type goes first.",
        default="lightgbm",
    )  # fmt: skip
    neighbours: int = setting(
        "NEIGHBOR_COUNT", "Neighbours among the features of fixed_labels; the others see all cells.",
        default=3, ge=1, le=32,
    )  # fmt: skip
    tune: bool = setting("LIGHTGBM_TUNE", "Search for LightGBM's parameters when bootstrapping.", default=False)
    tune_draws: int = setting("LIGHTGBM_TUNE_N_ITER", "Draws of that search.", default=10, ge=1, le=200)
    tune_folds: int = setting("LIGHTGBM_TUNE_CV", "Folds of its cross-validation.", default=3, ge=2, le=20)
    signing_key: SecretStr = setting(
        "MODEL_SIGNING_KEY", "Signs the manifests of versions; 32 bytes or more.", default=NO_SECRET
    )
    believed_seconds: float = setting(
        "MODEL_BELIEVED_SECONDS", "The active version is looked up again after so long.", default=2, ge=0, le=5
    )
    train_wait_seconds: float = setting(
        "TRAIN_WAIT_SECONDS", "A request waits so long for its training, then becomes a job.", default=20, ge=0, le=25
    )


class Tracking(Settings):
    """What is remembered of UEs."""

    most: int = setting("UE_TRACKING_MAX_UES", "UEs; of more the longest unseen go.", default=10000, ge=1)
    hours: float = setting("UE_TRACKING_TTL_HOURS", "A UE that is not seen for so long is forgotten.", default=24, gt=0)
    signal_window: int = setting("SIGNAL_WINDOW_SIZE", "Looks in a UE's signal statistics.", default=5, ge=1, le=10)
    position_window: int = setting("POSITION_WINDOW_SIZE", "Looks in its path's curvature.", default=5, ge=2, le=10)


class Guards(Settings):
    """When the model's answer is not followed."""

    mode: Literal["ml", "a3", "hybrid"] = setting(
        "HANDOVER_MODE",
        "`ml`: the model; `a3`: the A3 rule; `hybrid`: the model where it is sure and hears enough, else the A3 rule.",
        default="ml",
    )
    hysteresis_db: float = setting("A3_HYSTERESIS_DB", "Of the A3 rule.", default=2, ge=0, le=15)
    time_to_trigger_s: float = setting("A3_TTT_S", "Of the A3 rule.", default=0, ge=0, le=10)
    confidence: float = setting(
        "ML_CONFIDENCE_THRESHOLD", "In hybrid mode a less confident answer is left to the A3 rule.",
        default=0.5, ge=0, le=1,
    )  # fmt: skip
    least_cells: int = setting(
        "MIN_ANTENNAS_FOR_ML", "In hybrid mode the model is asked where so many cells are heard.", default=3, ge=1
    )
    interval_s: float = setting("MIN_HANDOVER_INTERVAL_S", "Between two handovers of a UE.", default=2.0, ge=0)
    per_minute: int = setting("MAX_HANDOVERS_PER_MINUTE", "Handovers of a UE.", default=3, ge=1)
    window_s: float = setting("PINGPONG_WINDOW_S", "Going back so soon is a ping-pong.", default=10, ge=0)
    confidence_boost: float = setting(
        "PINGPONG_CONFIDENCE_BOOST", "How confident an answer must be that is guarded against.", default=0.9, ge=0, le=1
    )
    return_confidence: float = setting(
        "PINGPONG_RETURN_CONFIDENCE", "How confident one that goes back at once must be.", default=0.95, ge=0, le=1
    )


class NefSettings(Settings):
    """The emulator of the network exposure function."""

    url: str = setting("NEF_API_URL", "Its address.", default="http://localhost:8080")
    username: str = setting("NEF_USERNAME", "Its user, where a request names none.", default="")
    password: SecretStr = setting("NEF_PASSWORD", "That user's password.", default=NO_SECRET)
    seconds: float = setting("NEF_TIMEOUT_SECONDS", "A call waits so long.", default=10, gt=0, le=25)


class Breaking(Settings):
    """The circuit breakers."""

    failures: int = setting("CIRCUIT_BREAKER_FAILURES", "Failures that open one.", default=5, ge=1)
    open_seconds: float = setting("CIRCUIT_BREAKER_OPEN_SECONDS", "It stays open so long.", default=60, gt=0)
    successes: int = setting("CIRCUIT_BREAKER_SUCCESSES", "Successes that close it again.", default=2, ge=1)
    seconds: float = setting("CIRCUIT_BREAKER_TIMEOUT_SECONDS", "A longer call has failed.", default=30, gt=0)


class Learning(Settings):
    """Feedback, drift and retraining."""

    buffer: int = setting("FEEDBACK_BUFFER_SIZE", "Samples of feedback that are kept.", default=1000, ge=10, le=10000)
    held_back: float = setting(
        "FEEDBACK_HELD_BACK", "Share of them by which a new model is judged.", default=0.2, gt=0, lt=1
    )
    window: int = setting("DRIFT_WINDOW_SIZE", "Outcomes in the window of the original's rule.", default=50, ge=10)
    threshold: float = setting("DRIFT_THRESHOLD", "Share of failures in it that is a drift.", default=0.2, gt=0, lt=1)
    data_window: int = setting("DATA_DRIFT_WINDOW_SIZE", "Looks in the window of data drift.", default=100, ge=20)
    data_alert: float = setting("DATA_DRIFT_ALERT", "Score of data drift that is told of.", default=1.0, gt=0)
    rest_seconds: float = setting(
        "RETRAIN_COOLDOWN_SECONDS", "A drift starts no retraining so soon after another.", default=300, ge=0
    )
    lease_seconds: float = setting(
        "RETRAIN_LEASE_SECONDS", "A training that is silent for so long is taken for dead.", default=1200, ge=60
    )


class Server(Settings):
    """Where the room is served by a server of its own; on Lambda API Gateway is the server."""

    host: str = setting("HOST", "Address to listen on.", default="0.0.0.0")  # noqa: S104 - the original's default
    port: int = setting("PORT", "Port to listen on.", default=5050, ge=1, le=65535)
    certificate_file: str = setting("SSL_CERTFILE", "The server's certificate chain, PEM; empty: no TLS.", default="")
    key_file: str = setting("SSL_KEYFILE", "Its private key, PEM.", default="")


class TextLog(Settings):
    """The log."""

    file: str = setting("LOG_FILE", "A file that the log is written to besides; empty: none.", default="")


class Queues(Settings):
    """The room's queues, and its tasks."""

    train_url: str = setting("QUINTET_TRAIN_QUEUE_URL", "SQS queue of trainings.", default="")
    collect_url: str = setting("QUINTET_COLLECT_QUEUE_URL", "SQS queue of collections.", default="")


class Tasks(Settings):
    """The cluster on which tasks run."""

    cluster: str = setting("QUINTET_CLUSTER", "ECS cluster of the selector's tasks; empty: none.", default="")
    definition: str = setting("QUINTET_SELECTOR_TASK", "Their task definition.", default="")
    container: str = setting("SELECTOR_CONTAINER", "Its container.", default="selector")
    capacity_provider: str = setting("QUINTET_CAPACITY_PROVIDER", "Where they run; empty: Fargate.", default="")
    subnets: str = setting("QUINTET_SUBNETS", "Their subnets, with commas between.", default="")
    security_groups: str = setting("QUINTET_SECURITY_GROUPS", "Their security groups, likewise.", default="")


class Pictures(Settings):
    """The map."""

    antennas: str = setting(
        "HANDOVER_ANTENNAS",
        "Cells on the map, `name=x:y` with commas between.",
        default="antenna_1=0:0,antenna_2=1000:0,antenna_3=500:866",
    )
