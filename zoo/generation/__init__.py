"""Pictures from a run: sample, mix, edit, score, reconstruct, interpolate."""
