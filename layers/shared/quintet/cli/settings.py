"""Settings of command lines, on a user's machine."""

from pydantic import SecretStr

from quintet.kernel.settings import Settings, setting


class HandoverClient(Settings):
    """The handover room's command line: its service, the emulator, and who logs in there. Options go first."""

    url: str = setting("HANDOVER_URL", "Where the service answers.", default="http://localhost:5050")
    username: str = setting("AUTH_USERNAME", "Its user.", default="")
    password: SecretStr = setting("AUTH_PASSWORD", "That user's password.", default=SecretStr(""))
    nef_url: str = setting("NEF_API_URL", "Where the NEF emulator answers.", default="http://localhost:8080")
    nef_username: str = setting("NEF_USERNAME", "Its user.", default="")
    nef_password: SecretStr = setting("NEF_PASSWORD", "That user's password.", default=SecretStr(""))
