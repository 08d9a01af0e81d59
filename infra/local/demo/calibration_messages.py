"""What an outside client of the calibration room sends: a real classifier's probabilities for real digits.

The digits come with scikit-learn: the optical digits of E. Alpaydin and C. Kaynak (1998).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB

from quintet.calibration.messages import Side
from quintet.calibration.pb.calibration_pb2 import PredictionList, Predictions
from quintet.calibration.pb.dataset_pb2 import DataBatchLabeled

TRAINED, BATCH, SEED = 397, 32, 7
TWICE = 1 / 3
"""Of the messages, as if the broker had lost their acknowledgement."""

Message = tuple[Side, bytes]


@dataclass(frozen=True)
class Rows:
    """Digits that the classifier has not seen: `images` (n, 8, 8), `probabilities` (n, 10), `labels` (n,)."""

    images: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]

    @property
    def batches(self) -> int:
        return -(-len(self.labels) // BATCH)


def judged() -> Rows:
    digits = load_digits()
    order = np.random.default_rng(SEED).permutation(len(digits.target))
    images, labels = (digits.images[order] / 16).astype(np.float32), digits.target[order]
    flat = images.reshape(len(images), -1)
    model = GaussianNB(var_smoothing=1e-3).fit(flat[:TRAINED], labels[:TRAINED])
    probabilities = model.predict_proba(flat[TRAINED:]).astype(np.float32)
    return Rows(images[TRAINED:], probabilities, labels[TRAINED:])


def messages(rows: Rows) -> Iterator[Message]:
    """Both halves of every batch, as the dispatcher and a client's SDK write them."""
    last = rows.batches - 1
    for index in range(rows.batches):
        part = slice(index * BATCH, (index + 1) * BATCH)
        data, labels = rows.images[part].astype("<f4").tobytes(), rows.labels[part].tolist()
        inputs = DataBatchLabeled(data=data, labels=labels, batch_index=index, is_last_batch=index == last)
        said = [PredictionList(values=row) for row in rows.probabilities[part].tolist()]
        outputs = Predictions(pred=said, batch_index=index, eof=index == last)
        yield "inputs", inputs.SerializeToString()
        yield "outputs", outputs.SerializeToString()


def disordered(all_of_them: list[Message]) -> list[Message]:
    """Shuffled, and some of them twice."""
    random = np.random.default_rng(SEED)
    again = random.random(len(all_of_them)) < TWICE
    sent = all_of_them + [message for message, twice in zip(all_of_them, again, strict=True) if twice]
    return [sent[place] for place in random.permutation(len(sent))]
