"""Export trained models as files that need no zoo: ONNX and torch.export, checked against the run and timed."""
