"""Groups of convolutions behind a whitening layer, plain or residual: the kind `convnet`."""
