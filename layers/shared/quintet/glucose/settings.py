"""Settings of the glucose room, by their names in the original service."""

from typing import Self

from pydantic import SecretStr, model_validator

from quintet.kernel.settings import Settings, setting


class GlucoseKeys(Settings):
    """Who may call. The door is open only where QUINTET_LOCAL is true and keys are not enabled."""

    enabled: bool = setting("ENABLE_API_KEYS", "Ask for an API key locally too; elsewhere it always is.", default=False)
    file: str = setting("GLURPC_API_KEYS_FILE", "File of API keys, one a line, `#` for comments.", default="")
    secret_arn: str = setting(
        "GLURPC_API_KEYS_SECRET_ARN", "Secrets Manager secret that holds the same text.", default=""
    )


class GlucoseForecast(Settings):
    """The forecast and its figure."""

    minimum_minutes: int = setting(
        "MINIMUM_DURATION_MINUTES", "Least data for a figure, in minutes (96 + 12 readings).", default=540, ge=540
    )
    wanted_minutes: int = setting(
        "MAXIMUM_WANTED_DURATION", "Most data that is forecast for a handle, in minutes.", default=1080, ge=540
    )
    samples: int = setting("NUM_SAMPLES", "Draws behind each density of the figure.", default=10, ge=2, le=1000)
    batch: int = setting("BATCH_SIZE", "Windows that the model sees at once.", default=32, ge=1, le=1024)

    @model_validator(mode="after")
    def wanted_is_enough(self) -> Self:
        if self.wanted_minutes < self.minimum_minutes:
            raise ValueError("MAXIMUM_WANTED_DURATION is less than MINIMUM_DURATION_MINUTES")
        return self


class GlucoseCache(Settings):
    """What is kept of a trace, for its owner alone."""

    size: int = setting("MAX_CACHE_SIZE", "Traces in one server's memory.", default=128, ge=1)
    persistence: bool = setting(
        "ENABLE_CACHE_PERSISTENCE", "Keep every trace's analysis in the bucket; else only by `save`.", default=True
    )
    hours: float = setting("GLURPC_CACHE_HOURS", "Hours after which a trace is forgotten.", default=24, gt=0)


class GlucoseQueues(Settings):
    """The container's queues. On Lambda there are none: an environment answers one request at a time."""

    copies: int = setting("NUM_COPIES_PER_DEVICE", "Forecasts at one time; one is kept for people.", default=2, ge=2)
    drawing_workers: int = setting("BACKGROUND_WORKERS_COUNT", "Figures at one time.", default=4, ge=1)
    forecasts: int = setting("MAX_INFERENCE_QUEUE_SIZE", "Forecasts that may wait.", default=64, ge=1)
    drawings: int = setting("MAX_CALC_QUEUE_SIZE", "Figures that may wait.", default=8192, ge=1)
    seconds: float = setting("INFERENCE_TIMEOUT_CPU", "Longest wait for a forecast, in seconds.", default=7200, gt=0)


class GlucoseService(Settings):
    """The container's program, in front of its doors."""

    rest_port: int = setting("REST_PORT", "Port of the REST door; 0: any free one.", default=8000, ge=0, le=65535)
    grace_seconds: float = setting(
        "SHUTDOWN_GRACE_SECONDS", "How long requests may go on once the container is told to stop.", default=20, ge=0
    )


class GlucoseGrpc(Settings):
    """The container's gRPC door."""

    port: int = setting("GRPC_PORT", "Its port; 0: any free one.", default=7003, ge=0, le=65535)


class GlucoseClient(Settings):
    """The command-line client, on a user's machine."""

    server: str = setting("GLURPC_SERVER", "Host and port of the gRPC door.", default="127.0.0.1:7003")
    api_key: SecretStr = setting("GLURPC_API_KEY", "The key to call with; empty: none.", default=SecretStr(""))
