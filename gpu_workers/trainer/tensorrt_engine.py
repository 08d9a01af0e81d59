"""ONNX → a TensorRT engine for the GPU of this machine. Imported only where both are."""

from collections.abc import Callable
from pathlib import Path

import tensorrt
import torch

from gpu_workers.trainer.detector import Floats, OnnxForm
from quintet.kernel.errors import QuintetError

LOGGER = tensorrt.Logger(tensorrt.Logger.WARNING)


class EngineRefused(QuintetError):
    """TensorRT can't build or load the model."""


def build(model: Path, target: Path, form: OnnxForm, *, half: bool, workspace_gib: int) -> None:
    """Raises EngineRefused with TensorRT's own words."""
    builder = tensorrt.Builder(LOGGER)
    network = builder.create_network(0)
    parser = tensorrt.OnnxParser(network, LOGGER)
    if not parser.parse(model.read_bytes()):
        raise EngineRefused(
            "TensorRT cannot read the model.", said=[str(parser.get_error(at)) for at in range(parser.num_errors)]
        )
    config = builder.create_builder_config()
    config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, workspace_gib << 30)
    if half:
        config.set_flag(tensorrt.BuilderFlag.FP16)
    if form.dynamic:
        config.add_optimization_profile(profile_of(builder, form))
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineRefused("TensorRT cannot build the engine; its log says why.")
    target.write_bytes(plan)


def profile_of(builder: "tensorrt.Builder", form: OnnxForm) -> "tensorrt.IOptimizationProfile":
    """Batches from one image to the larger of batch_size and two."""
    profile = builder.create_optimization_profile()
    least, most = ((count, 3, form.imgsz, form.imgsz) for count in (1, max(2, form.batch_size)))
    profile.set_shape("images", least, most, most)
    return profile


def engine_predictor(engine: Path) -> Callable[[Floats], Floats]:
    loaded = tensorrt.Runtime(LOGGER).deserialize_cuda_engine(engine.read_bytes())
    if loaded is None:
        raise EngineRefused("TensorRT cannot load the engine.")
    context = loaded.create_execution_context()

    def predict(images: Floats) -> Floats:
        given = torch.from_numpy(images).cuda()
        context.set_input_shape("images", tuple(given.shape))
        rows = torch.empty(tuple(context.get_tensor_shape("output")), device="cuda")
        context.set_tensor_address("images", given.data_ptr())
        context.set_tensor_address("output", rows.data_ptr())
        stream = torch.cuda.current_stream()
        context.execute_async_v3(stream.cuda_stream)
        stream.synchronize()
        found: Floats = rows.cpu().numpy()
        return found

    return predict
