"""One training, from its message to a version that may answer: the use case of the queue's function and of the task.

claim → samples → a model → published → compared → active, or not → told

A requested training goes live where what was held out speaks for it, a drift's only where it beats the active version
on feedback that neither has learnt from. Whatever fails leaves the active version as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from pydantic import TypeAdapter, ValidationError

from quintet.handover import bootstrap
from quintet.handover.drift import baseline_of
from quintet.handover.errors import ModelError
from quintet.handover.examples import Example, examples_of
from quintet.handover.features import LENGTH, PAIR_FEATURES, SEQUENCE_FEATURES, label_names
from quintet.handover.learning import Fit, Floats, Model, Progress, accuracy, cell, log_loss
from quintet.handover.manifest import Manifest
from quintet.handover.messages import FeedbackSample, Kind, TrainingSample
from quintet.handover.packaged import PACKAGED
from quintet.handover.ports import Objects, Selector
from quintet.handover.runs import Claim, Reason, Run, Runs, Superseded
from quintet.handover.trainings import Trainings
from quintet.handover.versions import CHOSEN, Versions
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, InvalidInput, NotFound, QuintetError, Unavailable

SEED = 42
LEAST_JUDGED = 10
"""Fewer examples held out speak neither for a model nor against it."""

TASK_SECONDS = 600
"""A task that has not begun by then is taken for one that never will."""

Maker = Callable[[Sequence[Example], Run, Progress], Model]
"""A model of a kind that has learnt nothing yet. It may look at the examples first, where it tunes its parameters."""

SAMPLES = TypeAdapter(list[TrainingSample])


class Kept(Protocol):
    """Feedback that is kept."""

    def examples(self) -> tuple[list[FeedbackSample], list[FeedbackSample]]:
        """(to learn from, held back)."""
        ...


class Answering(Protocol):
    def selector(self) -> Selector:
        """Of the active version. Raises ModelNotReadyError."""
        ...

    def forget(self) -> None: ...


class NoTask(ModelError):
    """There is no task to have it trained by."""


@dataclass(frozen=True)
class TrainingPlace:
    """Everything a training needs.

    `makers` are those of the kinds that can be trained here; of the others, `start_task` has them trained by a task,
    whose name it returns: the same one for the same run under the same number. It raises NoTask where there is none to
    be had. `told` hears of the seconds, the reason and the outcome of each.
    """

    trainings: Trainings
    objects: Objects
    versions: Versions
    serving: Answering
    feedback: Kept
    makers: Mapping[Kind, Maker]
    start_task: Callable[[str, int], str]
    clock: Clock
    libraries: Mapping[str, str] = field(default_factory=dict)
    neighbours: int = 3
    told: Callable[[float, str, str], None] = lambda *_: None

    @property
    def runs(self) -> Runs:
        return self.trainings.runs


@dataclass(frozen=True)
class Material:
    """`judges`: feedback held back, by which versions are compared; `note` says what was learnt from."""

    examples: list[Example]
    judges: list[Example]


def train(run: str, room: TrainingPlace) -> None:
    """Do the run, where it is still to be done and nothing else is.

    Raises Unavailable where something is away; it waits for another try then, as it does after what nobody foresaw.
    """
    known = room.runs.read(run)
    if known.ended:
        room.trainings.tell(known)
    elif known.kind not in room.makers:
        hand_over(known, room)
    elif claim := claimed(run, room):
        perform(known, claim, room)
    # else another is being done: its end, or the watch, sends this one again


def claimed(run: str, room: TrainingPlace) -> Claim | None:
    """The right to do it; one that died is buried first, so that it is not in the way for long."""
    room.trainings.bury()
    return room.runs.claim(run)


def perform(run: Run, claim: Claim, room: TrainingPlace) -> None:
    begun, ended = room.clock.now(), None
    try:
        ended = attempt(run, claim, room)
    except Superseded:
        return
    finally:
        if ended is None:
            ended = abandoned(claim, room)
        if ended and ended.ended:
            room.told((room.clock.now() - begun).total_seconds(), run.reason, ended.status)
            room.trainings.tell(ended)
    room.trainings.next()


def abandoned(claim: Claim, room: TrainingPlace) -> Run | None:
    """The run after something came in its way; None where it is somebody else's."""
    try:
        return room.runs.put_back(claim)
    except Superseded:
        return None


def hand_over(run: Run, room: TrainingPlace) -> None:
    """To one task in TASK_SECONDS at most, however often it is asked for. Raises Unavailable, Overloaded."""
    number = int(room.clock.now().timestamp() // TASK_SECONDS)
    try:
        room.runs.handed_to(run.id, room.start_task(run.id, number))
    except NoTask as error:
        if failed := room.runs.give_up(run, error.message, error.status):
            room.trainings.tell(failed)


def attempt(run: Run, claim: Claim, room: TrainingPlace) -> Run:
    """The run, ended. Raises Unavailable, and Superseded."""
    try:
        return done(run, claim, room)
    except (Superseded, Unavailable):
        raise
    except QuintetError as error:
        return room.runs.fail(claim, error.message, error.status if error.status in {400, 422} else 500)


def done(run: Run, claim: Claim, room: TrainingPlace) -> Run:
    def progress(so_far: Mapping[str, Any]) -> None:
        room.runs.progressed(claim, so_far)
        if run.job:
            room.trainings.promises.report(run.caller, run.job, dict(so_far))

    active = room.versions.active().version
    material = gathered(run, room)
    progress({"stage": "training", "samples": len(material.examples)})
    model = room.makers[run.kind](material.examples, run, progress)
    fit = model.fit(material.examples, seed=SEED, progress=progress)
    said, better = verdict(run, model, fit, material, room)
    progress({"stage": "publishing"})
    manifest = published(run, model, fit, material, active, room)
    live = better and went_live(manifest.version, run, active, room)
    if better and not live:
        said = "another version was made active meanwhile"
    answer = {"status": "success", "metrics": fit.answer(), "version": manifest.version, "active": live, "reason": said}
    return room.runs.succeed(claim, answer, version=manifest.version, live=live, said=said)


def gathered(run: Run, room: TrainingPlace) -> Material:
    """Raises InvalidInput where nothing can be learnt from it."""
    at = run.created_at.timestamp()
    if run.reason == "bootstrap":
        return Material(examples_of(bootstrap.drawn(np.random.default_rng(bootstrap.SEED)), at), [])
    if run.reason == "drift":
        learn, held_back = room.feedback.examples()
        shown = [*examples_of(learn, at), *formerly(len(learn), run, room)]
        return Material(shown, examples_of(held_back, at) if held_back else [])
    return Material(examples_of(stored(run, room), at), [])


def formerly(most: int, run: Run, room: TrainingPlace) -> list[Example]:
    """What the active version or one before it was asked to learn, the latest of it, else what all begin with: a new
    model must not forget it over the feedback, and as much of it weighs as much.
    """
    known = room.runs.asked_for(room.versions.lineage())
    try:
        samples = stored(known, room) if known else []
    except InvalidInput:
        samples = []
    samples = samples or bootstrap.drawn(np.random.default_rng(bootstrap.SEED))
    return examples_of(samples, run.created_at.timestamp())[-most:]


def stored(run: Run, room: TrainingPlace) -> list[TrainingSample]:
    try:
        return SAMPLES.validate_json(room.objects.get(run.samples_key)[0])
    except NotFound:
        raise InvalidInput("The samples of this training are no more: send them again.") from None
    except ValidationError as error:
        raise InvalidInput("The samples of this training can't be read: send them again.") from error


def verdict(run: Run, model: Model, fit: Fit, material: Material, room: TrainingPlace) -> tuple[str, bool]:
    """Why the new model is to go live, or is not."""
    if run.reason != "drift":
        return sane(fit, material.examples)
    if len(material.judges) < LEAST_JUDGED:
        return (
            f"only {len(material.judges)} samples of feedback are held back: {LEAST_JUDGED} are needed to compare",
            False,
        )
    looks = [example.look for example in material.judges]
    old, new = (
        worth(room.serving.selector().scores(looks), material.judges),
        worth(model.scores(looks), material.judges),
    )
    better = new != old and all(ours >= theirs for ours, theirs in zip(new, old, strict=True))
    figures = f"held-back accuracy {new[0]:.3f} against {old[0]:.3f}, log loss {-new[1]:.3f} against {-old[1]:.3f}"
    return f"{'better' if better else 'not better'} than the active version: {figures}", better


def worth(given: Sequence[Floats], examples: Sequence[Example]) -> tuple[float, float]:
    """The more, the better: how often it is right, and how sure it is of what is right."""
    named = [cell(one, int(part.argmax())) for part, one in zip(given, examples, strict=True)]
    right = accuracy(named, [cell(one, one.answer) for one in examples])
    return right, -round(log_loss(given, [one.answer for one in examples]), 6)


def sane(fit: Fit, examples: Sequence[Example]) -> tuple[str, bool]:
    """A model that is right less often than guessing has learnt nothing."""
    right = fit.metrics.get("val_accuracy")
    guessing = float(np.mean([1 / len(example.look.sight.candidates) for example in examples]))
    if right is None or len(examples) * 0.2 < LEAST_JUDGED:
        return "trained as asked; there were too few samples to hold some out: nobody knows how good it is", True
    if right < guessing:
        return f"right in {right:.0%} of what was held out, where guessing is in {guessing:.0%}", False
    strongest = fit.metrics.get("val_strongest")
    beside = "" if strongest is None else f"; the strongest cell would be in {strongest:.0%}"
    return f"right in {right:.0%} of what was held out{beside}", True


def published(run: Run, model: Model, fit: Fit, material: Material, active: str, room: TrainingPlace) -> Manifest:
    sequential = run.kind in {"lstm", "ensemble"}
    return room.versions.publish(
        run.kind,
        model.files(),
        features=label_names(room.neighbours) if run.kind == "fixed_labels" else PAIR_FEATURES,
        sequence_features=SEQUENCE_FEATURES if sequential else (),
        length=LENGTH if sequential else 0,
        samples=fit.samples,
        classes=fit.classes,
        seed=SEED,
        reason=run.reason,
        parents=(active,),
        metrics={**fit.metrics, **fit.more},
        importance=dict(fit.importance),
        libraries=dict(room.libraries),
        baseline=baseline_of([example.look for example in material.examples]),
    )


def went_live(version: str, run: Run, active: str, room: TrainingPlace) -> bool:
    """A drift's only where the version that it was compared with is still the active one, what was bootstrapped from
    synthetic drives only in the place of the packaged model, and what was asked for before somebody chose a version
    not in the place of that one.
    """
    now = room.versions.active()
    expected: Mapping[Reason, str] = {"request": now.version, "drift": active, "bootstrap": PACKAGED}
    try:
        if now.reason == CHOSEN and now.since > run.created_at.isoformat():
            return False
        room.versions.activate(version, reason=f"trained: {run.reason}", expect=expected[run.reason])
    except Conflict:
        return False
    room.serving.forget()
    return True
