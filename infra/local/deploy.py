"""Bringing the deployed stacks up to date with the sources."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local import build, credentials, stack
from infra.local.broker import Broker
from infra.local.cloud import Cloud
from infra.local.folder import read_json, write_json
from infra.local.rooms import chosen
from infra.local.stack import Aws

Outputs = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Servers:
    """The servers that run beside LocalStack, None where there is none, and the ports of the rooms' gRPC doors."""

    redis: str | None = None
    broker: Broker | None = None
    mlflow: str | None = None
    grpc: Mapping[str, int] = field(default_factory=dict)


def outdated(cloud: Cloud, servers: Servers) -> bool:
    """Whether what is deployed, if anything, is not what the sources say."""
    known = read_json(cloud.folder.run / "deployed.json")
    return not known or known["state"] != state(cloud, servers)


def state(cloud: Cloud, servers: Servers) -> str:
    """Of the sources and of what they are deployed beside."""
    broker = servers.broker.amqp if servers.broker else ""
    besides = {"broker": broker, "secrets": repr(credentials.given(os.environ))}
    return build.fingerprint(cloud.template, parameters(cloud, servers) | besides)


def forget(cloud: Cloud) -> None:
    (cloud.folder.run / "deployed.json").unlink(missing_ok=True)


def built(cloud: Cloud) -> Path:
    """The template, built with its functions and layers."""
    with cloud.progress.step("Building the functions and layers"):
        return build.build(cloud)


def deploy(cloud: Cloud, aws: Aws, servers: Servers, template: Path | None) -> tuple[Outputs, credentials.Credentials]:
    """The rooms' stack outputs and their credentials, deployed now where a built template is given."""
    record = cloud.folder.run / "deployed.json"
    if template is None:
        known = read_json(record)
        return known["outputs"], known["credentials"]
    with cloud.progress.step("Deploying the stacks"):
        stack.deploy(aws, template, parameters(cloud, servers))
        outputs = stack.outputs(aws)
        keys = credentials.renew(aws, outputs)
    write_json(record, {"state": state(cloud, servers), "outputs": outputs, "credentials": keys})
    return outputs, keys


def parameters(cloud: Cloud, servers: Servers) -> dict[str, str]:
    """Those of the local cloud that the template declares."""
    rooms = chosen(cloud.rooms)
    workers = {worker for room in rooms for worker in room.workers}
    offered: Mapping[str, str] = {
        "Stage": "local",
        "LocalMode": "true",
        "PythonRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "Rooms": ",".join(room.name for room in rooms),
        "RedisUrl": servers.redis or "",
        "MlflowTrackingUri": servers.mlflow or "",
        "Broker": "true" if servers.broker else "false",
        "BrokerManagementUrl": servers.broker.bare_management if servers.broker else "",
        "Cluster": "true" if workers else "false",
        "TrainerImage": "quintet/trainer:local" if "trainer" in workers else "",
        "TrainerLibrary": os.environ.get("DETECTOR_LIBRARY", ""),
        "ForecasterImage": "quintet/forecaster:local" if "forecaster" in workers else "",
        "ForecasterServe": "grpc",
        "ForecasterPort": str(servers.grpc.get("glucose", 7003)),
        "CalibratorImage": "quintet/calibrator:local" if "calibrator" in workers else "",
        "CalibratorPort": str(servers.grpc.get("calibration", 50051)),
        "SelectorImage": "quintet/selector:local" if "selector" in workers else "",
        "MaxConcurrentJobs": os.environ.get("MAX_CONCURRENT_JOBS", "2"),
        "EnableApiKeys": os.environ.get("ENABLE_API_KEYS", "false"),
        "CorsOrigins": os.environ.get("CORS_ORIGINS", "*"),
        **{named(variable): os.environ[variable] for variable in HANDED_ON if os.environ.get(variable)},
    }
    declared = build.declared(cloud.template)
    return {name: value for name, value in offered.items() if name in declared}


HANDED_ON = ("TRAIN_REQUEST_QUEUE", "TRAIN_RESULT_QUEUE", "TRAIN_UPDATE_QUEUE", "CONVERT_REQUEST_QUEUE",
             "CONVERT_RESULT_QUEUE", "INFERENCE_REQUEST_QUEUE", "INFERENCE_RESULT_QUEUE",
             "ENABLE_CACHE_PERSISTENCE", "MAX_CACHE_SIZE", "NUM_SAMPLES", "UPPER_BOUND_CLIENTS",
             "CLIENT_TIMEOUT_SECONDS", "CALIBRATION_PREFETCH", "CALIBRATION_BACKEND", "CONNECTIONS_SERVICE_URL",
             "MLFLOW_EXPERIMENT_NAME", "CONNECTIONS_QUEUE",
             "COORDINATOR_HOST", "COORDINATOR_PORT", "COORDINATOR_POLL_SECONDS", "JOB_DEADLINE_SECONDS",
             "AGGREGATION_DEADLINE_SECONDS", "ROUND_SECONDS", "MINIMUM_COHORT", "RESULTS_API_URL", "RESULTS_SAVE_PATH",
             "ENABLE_API_SENDING", "ENABLE_FILESYSTEM_SAVING", "RESULTS_FORMATS", "RETURN_URL_HOSTS",
             "DELIVERY_ATTEMPTS", "CENTRALIZED_LOGGING_ENABLED", "CENTRALIZED_LOGGING_PATH",
             "AUTH_DISABLED", "JWT_EXPIRES_MINUTES", "JWT_REFRESH_EXPIRES_HOURS", "RATE_LIMIT_PER_MINUTE",
             "AUTH_MAX_ATTEMPTS", "AUTH_LOCKOUT_SECONDS", "METRICS_AUTH_ENABLED", "METRICS_AUTH_USERNAME",
             "METRICS_JWT_EXPIRY_SECONDS", "MODEL_PATH", "MODEL_TYPE", "NEIGHBOR_COUNT", "LIGHTGBM_TUNE",
             "LIGHTGBM_TUNE_N_ITER", "LIGHTGBM_TUNE_CV", "MODEL_BELIEVED_SECONDS", "TRAIN_WAIT_SECONDS",
             "UE_TRACKING_MAX_UES", "UE_TRACKING_TTL_HOURS", "SIGNAL_WINDOW_SIZE", "POSITION_WINDOW_SIZE",
             "HANDOVER_MODE", "A3_HYSTERESIS_DB", "A3_TTT_S", "ML_CONFIDENCE_THRESHOLD", "MIN_ANTENNAS_FOR_ML",
             "MIN_HANDOVER_INTERVAL_S", "MAX_HANDOVERS_PER_MINUTE", "PINGPONG_WINDOW_S", "PINGPONG_CONFIDENCE_BOOST",
             "PINGPONG_RETURN_CONFIDENCE", "NEF_API_URL", "NEF_USERNAME", "NEF_TIMEOUT_SECONDS",
             "CIRCUIT_BREAKER_FAILURES", "CIRCUIT_BREAKER_OPEN_SECONDS", "CIRCUIT_BREAKER_SUCCESSES",
             "CIRCUIT_BREAKER_TIMEOUT_SECONDS", "FEEDBACK_BUFFER_SIZE", "FEEDBACK_HELD_BACK", "DRIFT_WINDOW_SIZE",
             "DRIFT_THRESHOLD", "DATA_DRIFT_WINDOW_SIZE", "DATA_DRIFT_ALERT", "RETRAIN_COOLDOWN_SECONDS",
             "RETRAIN_LEASE_SECONDS", "HANDOVER_ANTENNAS", "LOG_FILE")  # fmt: skip


def named(variable: str) -> str:
    """The parameter of the template that gives functions this variable.

    >>> named("TRAIN_REQUEST_QUEUE")
    'TrainRequestQueue'
    """
    return variable.title().replace("_", "")
