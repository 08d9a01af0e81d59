"""A network → ONNX with exactly the opset that was asked for, checked, without traces of the machine it was made on.

The exporter is the one by tracing: it writes each opset from 11 to 20 itself, where the one by torch.export begins at
18 and a conversion downwards is not always exact.
"""

import warnings
from pathlib import Path

import onnx
import torch

from gpu_workers.trainer.detector import OnnxForm


def write_onnx(network: torch.nn.Module, target: Path, form: OnnxForm) -> tuple[str, ...]:
    """Write `target` whole or not at all; sentences for the log. `network` gives (b, 4 + classes, n) in eval mode."""
    partial = target.with_suffix(".partial")
    try:
        trace(network.eval(), partial, form)
        model, notes = simplified(onnx.load(partial)) if form.simplify else (onnx.load(partial), ())
        without_origins(model)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return notes


def trace(network: torch.nn.Module, target: Path, form: OnnxForm) -> None:
    example = torch.zeros(form.batch_size, 3, form.imgsz, form.imgsz)
    axes = {name: {0: "batch"} for name in ("images", "output")} if form.dynamic else None
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's, on shapes that are constants here
        torch.onnx.export(
            network, (example,), target, dynamo=False, opset_version=form.opset,
            input_names=["images"], output_names=["output"], dynamic_axes=axes,
        )  # fmt: skip


def simplified(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """The model in fewer nodes; as it was, with a note, where onnxsim finds that they would not do the same."""
    import onnxsim

    smaller, same = onnxsim.simplify(model)
    if same and opset_of(smaller) == opset_of(model):
        return smaller, (f"onnxsim: {len(model.graph.node)} nodes became {len(smaller.graph.node)}.",)
    return model, ("onnxsim could not simplify the model; it is written as exported.",)


def opset_of(model: onnx.ModelProto) -> int:
    return int(next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")))


def without_origins(model: onnx.ModelProto) -> None:
    """Take away the exporter's notes, which name files of this machine."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
