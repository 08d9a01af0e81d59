"""Settings of the glucose room, by their names in the original service."""

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
    samples: int = setting("NUM_SAMPLES", "Draws behind each density of the figure.", default=10, ge=2, le=1000)
