"""The daemon's configuration: complete, without a secret, and the task definition fits it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.house.templates import Template, alternatives

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infra/snetd"
NETWORKS = {"sepolia": "sepolia", "mainnet": "main"}
SECRET = re.compile(r"(private|secret|password|mnemonic|provider_api)")
HEXADECIMAL = re.compile(r"[0-9a-fA-F]{32,}")


def config(network: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / f"{network}.json").read_text())
    return loaded


def daemon() -> dict[str, Any]:
    task = Template.read(ROOT / "infra/glucose.yaml").resources("AWS::ECS::TaskDefinition")["ForecasterTask"]
    containers = list(alternatives(task["ContainerDefinitions"]))
    return next(one for one in containers if one["Name"] == "snetd")


@pytest.mark.parametrize("network", NETWORKS)
def test_it_forwards_to_our_door(network: str) -> None:
    known = config(network)
    assert known["blockchain_network_selected"] == NETWORKS[network]
    assert (known["service_endpoint"], known["daemon_endpoint"]) == ("http://127.0.0.1:7003", "0.0.0.0:7000")
    assert (known["service_id"], known["daemon_group_name"]) == ("glucose_forecast", "default_group")
    assert known["payment_channel_storage_type"] == "etcd"
    storage = known["payment_channel_storage_server"]
    assert (storage["client_port"], storage["peer_port"], storage["host"]) == (2379, 2380, "127.0.0.1")


@pytest.mark.parametrize("network", NETWORKS)
def test_it_holds_no_secret(network: str) -> None:
    text = (FOLDER / f"{network}.json").read_text()
    assert not HEXADECIMAL.search(text)
    assert not [key for key in config(network) if SECRET.search(key)]
    assert not [key for key, value in config(network).items() if key.startswith("ethereum") and value]


def test_networks_differ_in_nothing_else() -> None:
    one, other = (config(network) for network in NETWORKS)
    differing = {key for key in one if one[key] != other[key]}
    assert differing == {"blockchain_network_selected", "payment_channel_storage_server"}


def test_its_keys_come_from_secrets_alone() -> None:
    container = daemon()
    named = {item["Name"] for item in container["Environment"]}
    secrets = {item["Name"] for item in container["Secrets"]}
    assert not [name for name in named if SECRET.search(name.lower())]
    assert {"SNET_ETHEREUM_JSON_RPC_HTTP_ENDPOINT", "SNET_PRIVATE_KEY_FOR_FREE_CALLS"} <= secrets
    for item in container["Secrets"]:
        key = item["Name"].removeprefix("SNET_").lower()
        assert item["ValueFrom"] == {"Fn::Sub": f"${{SnetdSecretArn}}:{key}::"}


def test_etcd_is_kept_where_the_configuration_says() -> None:
    (mount,) = daemon()["MountPoints"]
    for network in NETWORKS:
        assert config(network)["payment_channel_storage_server"]["data_dir"].startswith(f"{mount['ContainerPath']}/")


def test_losing_etcd_is_guarded() -> None:
    body = Template.read(ROOT / "infra/glucose.yaml").body["Resources"]["Etcd"]
    assert (body["DeletionPolicy"], body["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert body["Properties"]["Encrypted"]
    assert body["Properties"]["BackupPolicy"] == {"Status": "ENABLED"}


def test_the_image_brings_both_files() -> None:
    recipe = (FOLDER / "Dockerfile").read_text()
    assert all(f"{network}.json" in recipe for network in NETWORKS)
    assert daemon()["Command"] == ["--config", {"Fn::Sub": "/etc/singnet/${Snetd}.json"}]
