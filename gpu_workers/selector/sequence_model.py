"""The model `lstm`: learns with torch from real sequences, and becomes `sequences.onnx`."""

import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch

from gpu_workers.selector.sequence_network import SequenceNetwork, list_loss
from quintet.handover.examples import Example
from quintet.handover.features import LENGTH, SEQUENCE_FEATURES, sequences
from quintet.handover.learning import (
    Fit,
    Floats,
    Lists,
    Progress,
    Rows,
    classes,
    judged,
    lists_of,
    log_loss,
    not_ready,
    parted,
    shares,
    silent,
    temperature,
)
from quintet.handover.messages import Kind
from quintet.handover.ranking import check, named
from quintet.handover.sights import Look

EPOCHS, BATCH, RATE = 5, 32, 0.01
"""The original's epochs and looks a batch; adam."""
LEAST_UPDATES = 600
"""Of few examples more epochs are made: five would be a handful of steps."""
OPSET = 20


@dataclass
class SequenceRanking:
    kind: Kind = "lstm"
    epochs: int = EPOCHS
    _network: SequenceNetwork | None = None

    def fit(self, examples: Sequence[Example], *, seed: int, progress: Progress = silent) -> Fit:
        check(examples)
        torch.manual_seed(seed)
        learn, held = parted(examples, seed)
        lists, judge = lists_of(learn, sequences), lists_of(held, sequences) if held else None
        network = SequenceNetwork(len(SEQUENCE_FEATURES))
        network.see(lists[0])
        self._network = network
        epochs = max(self.epochs, -(-LEAST_UPDATES * BATCH // len(learn)) if len(learn) < LEAST_UPDATES else 0)
        epochs = min(epochs, 60)
        learnt(network, lists, judge, epochs, seed, progress)
        if judge:
            network.temperature.fill_(temperature(raw(network, judge[0]), judge[1], judge[2]))
        metrics = judged(self.scores([one.look for one in held]), held)
        importance = named(SEQUENCE_FEATURES, heed(network))
        return Fit(len(examples), classes(examples), importance, metrics, {"epochs": epochs})

    def scores(self, looks: Sequence[Look]) -> list[Floats]:
        if self._network is None:
            raise not_ready(self.kind)
        return [shares(raw(self._network, rows), np.array([len(rows)]))[0] for rows in map(sequences, looks)]

    def files(self) -> dict[str, bytes]:
        if self._network is None:
            raise not_ready(self.kind)
        return {"sequences.onnx": exported(self._network)}


def learnt(
    network: SequenceNetwork, lists: Lists, judge: Lists | None, epochs: int, seed: int, progress: Progress
) -> None:
    """Adam over batches of looks; of the epochs' networks the one is kept that does best on `judge`."""
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    random, best, kept = np.random.default_rng(seed), np.inf, None
    for epoch in range(1, epochs + 1):
        network.train()
        losses = []
        for rows, owner, right in batches(lists, random):
            loss = list_loss(network(rows)[:, 0], owner, right, len(right))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            losses.append(float(loss.detach()))
        schedule.step()
        network.eval()
        found = validated(network, judge) if judge else float(np.mean(losses))
        if found < best:
            best, kept = found, {name: value.clone() for name, value in network.state_dict().items()}
        progress({"round": epoch, "of": epochs, "log_loss": round(found, 6)})
    if kept:
        network.load_state_dict(kept)


def batches(lists: Lists, random: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """(cells' sequences, the number of each one's look in the batch, the right cell's number of each look)."""
    rows, sizes, answers = lists
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    order = random.permutation(len(sizes))
    for begin in range(0, len(order), BATCH):
        chosen = order[begin : begin + BATCH]
        cells = np.concatenate([np.arange(starts[look], starts[look] + sizes[look]) for look in chosen])
        owner = np.repeat(np.arange(len(chosen)), sizes[chosen])
        right = np.concatenate([[0], np.cumsum(sizes[chosen])[:-1]]) + answers[chosen]
        yield torch.from_numpy(rows[cells]), torch.from_numpy(owner), torch.from_numpy(right)


def validated(network: SequenceNetwork, judge: Lists) -> float:
    return log_loss(shares(raw(network, judge[0]), judge[1]), judge[2])


def raw(network: SequenceNetwork, rows: Rows) -> Floats:
    """(n, LENGTH, S) -> (n,) scores."""
    with torch.no_grad():
        scores = network(torch.from_numpy(np.ascontiguousarray(rows)))
    found: Floats = scores[:, 0].numpy().astype(np.float64)
    return found


def heed(network: SequenceNetwork) -> Floats:
    """(S,) shares of the absolute weights that a feature comes in through."""
    entering = network.memory.weight_ih_l0.detach().abs().sum(0).numpy().astype(np.float64)
    first = network.now[0].weight.detach().abs().sum(0).numpy().astype(np.float64)
    size: Floats = entering + first[: len(entering)]
    heeded: Floats = size / size.sum()
    return heeded


def exported(network: SequenceNetwork) -> bytes:
    """`sequences` (n, LENGTH, S) -> `scores` (n, 1), n being free."""
    example, target = torch.zeros(3, LENGTH, len(SEQUENCE_FEATURES)), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own dependencies
        program = torch.onnx.export(
            network.eval(), (example,), dynamo=True, opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("n")},), input_names=["sequences"], output_names=["scores"],
            verbose=False,
        )  # fmt: skip
    assert program is not None
    onnx.save(without_origins(program.model_proto), target)
    return target.getvalue()


def without_origins(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph without the exporter's notes on it, which name files of the machine it ran on."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        part.ClearField("metadata_props")
    return model
