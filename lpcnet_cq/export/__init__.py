"""Export of coding steps as ONNX graphs, which onnxruntime runs in any language: see docs/onnx.md."""
