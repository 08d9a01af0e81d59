"""Settings on an owner's machine, by the names that the originals' client services gave them where they had one."""

from pydantic import SecretStr

from quintet.kernel.settings import Settings, setting


class OwnerSettings(Settings):
    """Who the owner is, and where the server. The command line's options go first."""

    client: str = setting("ID", "The owner's client id.", default="")
    url: str = setting("ORCHESTRATOR_URL", "Where the aggregation room answers.", default="http://127.0.0.1:5000")
    api_key: SecretStr = setting("QUINTET_API_KEY", "Its API key; empty: none.", default=SecretStr(""))
    identity: str = setting("QUINTET_IDENTITY", "File of the owner's private key.", default="identity.key")
    roster: str = setting("QUINTET_ROSTER", "File of all owners' public keys.", default="roster.json")
    patience: float = setting(
        "QUINTET_SERVER_PATIENCE_SECONDS", "A server that is away so long is given up.", default=600, gt=0
    )
