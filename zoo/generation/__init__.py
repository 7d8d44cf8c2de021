"""Uses of a trained generator: sample, mix, edit, score, reconstruct, interpolate."""
