"""onnx_reader.py FOLDER: for each NAME.onnx of a folder the errors of what ONNX Runtime makes of it on the CPU, against the
tensors image.K, logits.K and probabilities.K of NAME.safetensors. Exit 1 where a file is no valid model."""
import sys
from pathlib import Path

try:
    import numpy as np
    import onnx
    import onnxruntime
    from safetensors.numpy import load_file
except ImportError as e:
    print(f"the Python of the tests lacks {e.name}")
    sys.exit(77)

for path in sorted(Path(sys.argv[1]).glob("*.onnx")):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    wanted = load_file(path.with_suffix(".safetensors"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()], [o.name for o in session.get_outputs()]
    assert names == (["image"], ["probabilities", "logits"]), names
    unused = {t.name for t in model.graph.initializer} - {i for n in model.graph.node for i in n.input}
    assert not unused, unused
    for k in range(sum(name.startswith("image.") for name in wanted)):
        both = session.run(None, {"image": wanted[f"image.{k}"]})
        for name, got in zip(names[1], both):
            want = wanted[f"{name}.{k}"]
            assert got.shape == want.shape, (path, got.shape, want.shape)
            error = np.abs(got - want).max() / (np.abs(want).max() if name == "logits" else 1)
            print(path.stem, "opset", model.opset_import[0].version, name, "x".join(map(str, got.shape)), f"{error:.2e}")
            assert error <= 1e-4, "wants at most 1e-4"
