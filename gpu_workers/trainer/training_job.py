"""A job that trains a detector: its dataset in the bucket → weights, an ONNX file and figures beside them."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gpu_workers.trainer import artifacts, curves, dataset
from gpu_workers.trainer.artifacts import Output
from gpu_workers.trainer.attempt import ENDINGS, Attempt
from gpu_workers.trainer.checkpoints import Checkpoints, Keeper
from gpu_workers.trainer.conversion import convert
from gpu_workers.trainer.dataset import Dataset
from gpu_workers.trainer.detector import BadWeights, DetectorLibrary, EpochMetrics, Trained, TrainingPlan
from gpu_workers.trainer.reins import Stop
from quintet.entry.worker import ForeignFailure, foreign
from quintet.kernel.errors import InvalidInput, QuintetError
from quintet.training.jobs import Job
from quintet.training.messages import TrainRequest

LARGEST_WEIGHTS = 2 * 1024**3


@dataclass(frozen=True)
class Training:
    """What is to be done."""

    plan: TrainingPlan
    data: Dataset
    output: Output
    config: Mapping[str, Any]


def train(attempt: Attempt) -> None:
    """Leave the job completed. Raises whatever is in its way, and Stopped."""
    library = attempt.has.library()
    training = planned(attempt, library)
    job = begun(attempt, training)
    yaml = dataset.fetch(training.data, attempt.has.files, attempt.folder("dataset"), attempt.reins)
    attempt.log.info("the dataset is here and whole", extra=training.data.told())
    checkpoints = Checkpoints.of(job, attempt.has.files, attempt.log)
    trained = trained_on(yaml, training.plan, library, checkpoints, attempt)
    attempt.reins.check()
    files = results(attempt, training, trained, library)
    attempt.reins.check()
    completed(attempt, training, trained, files)
    checkpoints.forget()


def planned(attempt: Attempt, library: DetectorLibrary) -> Training:
    job = attempt.work.job()
    request = attempt.has.request(job)
    assert isinstance(request, TrainRequest)
    access, asked = attempt.has.access, request.hyperparams
    data = dataset.survey(attempt.has.files, access.folder(job.caller, request.dataset.s3_prefix))
    weights = given_weights(attempt, job, request)
    model = library.model_of(weights) if weights and asked.model.endswith(".pt") else asked.model
    extra = asked.model_extra or {}
    plan = TrainingPlan(
        model=model,
        epochs=asked.epochs,
        batch=asked.batch,
        imgsz=asked.imgsz,
        seed=asked.seed,
        device=str(extra.get("device") or "") or attempt.has.device,
        pretrained=weights,
        extra={name: value for name, value in extra.items() if name in library.settings},
    )
    output = Output(access.key(job.caller, request.output.prefix), request.output.model_name)
    return Training(plan, data, output, configuration(request, plan, data, library))


def configuration(request: TrainRequest, plan: TrainingPlan, data: Dataset, library: DetectorLibrary) -> dict[str, Any]:
    """What is told of when the training starts: what was asked for, and what is done."""
    asked = request.hyperparams.model_dump()
    return {
        **asked,
        "model_used": library.resolves(plan.model),
        "library": library.name,
        "library_version": library.version,
        "device": library.device(plan.device),
        "dataset": {"name": request.dataset.name, **data.told()},
        "output": request.output.model_dump(),
        "ignored": sorted(set(request.hyperparams.model_extra or {}) - set(plan.extra) - {"device"}),
    }


def given_weights(attempt: Attempt, job: Job, request: TrainRequest) -> Path | None:
    """The weights file to begin with, if the request names one. Raises BadWeights, NotFound, PermissionDenied."""
    asked = request.hyperparams
    given = asked.pretrained or (asked.model if asked.model.endswith(".pt") else None)
    if given is None:
        return None
    stored = attempt.has.files.find(attempt.has.access.key(job.caller, given))
    if stored.size > LARGEST_WEIGHTS:
        raise BadWeights(f"{given} has {stored.size} bytes; weights have at most {LARGEST_WEIGHTS}.")
    target = attempt.folder("pretrained") / Path(given).name
    attempt.has.files.download(stored, target)
    return target


def begun(attempt: Attempt, training: Training) -> Job:
    """Claim the job, which tells that it starts."""
    config, epochs = training.config, training.plan.epochs
    job = attempt.insist(partial(attempt.work.start_training, config, epochs))
    attempt.log.info(
        f"{config['model']} is trained as {config['model_used']} by {config['library']}", extra={"config": config}
    )
    attempt.record = attempt.has.record(job)
    attempt.record.begin(flat(config))
    if job.cancel_requested:
        attempt.reins.pull(Stop.CANCELLED)
    attempt.reins.check()
    return job


def trained_on(
    yaml: Path, plan: TrainingPlan, library: DetectorLibrary, checkpoints: Checkpoints, attempt: Attempt
) -> Trained:
    """All epochs are done, and the last one's checkpoint lies in the bucket. Raises Stopped, with the same promise."""
    resumed = checkpoints.latest(attempt.folder("resumed"))
    if resumed:
        attempt.log.info(f"going on after epoch {resumed.epoch}")
    keeper = Keeper(checkpoints, attempt.folder("checkpoints"), attempt.reins.fail)
    try:
        with foreign(hidden=f"{attempt.scratch}/"):
            trained = library.train(
                plan,
                yaml,
                attempt.folder("work"),
                resume=resumed.path if resumed else None,
                on_epoch=partial(epoch_ended, attempt, keeper),
                should_stop=attempt.reins.pulled,
            )
        if not keeper.settle():
            attempt.log.warning("the last checkpoint is not stored")
    finally:
        keeper.close()
    if trained.stopped:
        attempt.reins.check()
    return trained


def epoch_ended(attempt: Attempt, keeper: Keeper, metrics: EpochMetrics, checkpoint: Path) -> None:
    """Told first; the checkpoint and the record follow in the background."""
    figures = {name: value for name, value in asdict(metrics).items() if name != "epoch"}
    job = attempt.insist(partial(attempt.work.finish_epoch, metrics.epoch, figures))
    if job.cancel_requested:
        attempt.reins.pull(Stop.CANCELLED)
    keeper.offer(metrics.epoch, checkpoint)
    attempt.record.epoch(metrics.epoch, figures)
    attempt.log.info(f"epoch {metrics.epoch} of {job.total_epochs}", extra=figures)


def results(attempt: Attempt, training: Training, trained: Trained, library: DetectorLibrary) -> list[Path]:
    """The files for the bucket, the best weights first."""
    folder = attempt.folder("results")
    epochs = attempt.work.ledger.epochs(attempt.work.job())
    best = folder / training.output.model_name
    shutil.copyfile(trained.best, best)
    table = curves.write_csv(epochs, folder / "results.csv")
    picture = curves.draw(epochs, title(training), folder / "curves.png")
    return [best, table, picture, *exported(attempt, best, training, library)]


def exported(attempt: Attempt, best: Path, training: Training, library: DetectorLibrary) -> tuple[Path, ...]:
    """ONNX and its manifest. Where that fails, the weights are worth having all the same, and the reason is logged."""
    try:
        with foreign(hidden=f"{attempt.scratch}/"):
            made = convert(library, best, "onnx", {"imgsz": training.plan.imgsz}, attempt.folder("export"))
    except (InvalidInput, ForeignFailure) as error:
        return without_export(attempt, training, error)
    attempt.log.info("exported to ONNX", extra={"model_info": dict(made.model_info), "notes": list(made.notes)})
    return made.artifacts


def without_export(attempt: Attempt, training: Training, error: QuintetError) -> tuple[Path, ...]:
    """An earlier model's ONNX file must not pass for this one's."""
    attempt.log.error("no ONNX file could be made", extra={"reason": error.message}, exc_info=error)
    attempt.tags["quintet.onnx"] = error.message[:500]
    for suffix in (".onnx", ".onnx.json"):
        attempt.has.files.delete(training.output.key(f"{training.output.stem}{suffix}"))
    return ()


def completed(attempt: Attempt, training: Training, trained: Trained, files: list[Path]) -> None:
    """Upload, then tell. The job is looked at in between: one that was superseded leaves nothing."""
    job, output = attempt.work.alive(), training.output
    best, *others = files
    artifacts.upload(trained.last, output.last, attempt.has.files)
    artifacts.upload_all(others, output.prefix, attempt.has.files)
    artifacts.upload(best, output.model, attempt.has.files)
    attempt.tags["quintet.model"] = output.model
    attempt.keepsakes = [file for file in others if file.suffix != ".onnx"]
    now = attempt.work.clock.now()
    ended = attempt.insist(
        partial(
            attempt.work.complete_training,
            model_path=output.model,
            metrics=final_metrics(trained),
            epochs=trained.epochs,
            seconds=round((now - (job.started_at or now)).total_seconds(), 3),
        )
    )
    attempt.ending = ENDINGS[ended.status]
    attempt.log.info(ended.status, extra={"model_path": output.model})


def final_metrics(trained: Trained) -> dict[str, float | None]:
    """mAP50 of the weights that are given, the best epoch's; the loss with which the training ended."""
    best, final = trained.metrics, trained.final
    return {"mAP50": best.mAP50 if best else None, "train_loss": final.train_loss if final else None}


def title(training: Training) -> str:
    return f"{training.config['model_used']} on {training.config['dataset']['name'] or training.data.prefix}"


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """
    >>> flat({"a": 1, "b": {"c": 2}})
    {'a': 1, 'b.c': 2}
    """
    found: dict[str, Any] = {}
    for name, value in config.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found
