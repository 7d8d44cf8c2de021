"""A page on this machine to try a trained model on: draw or drop a picture, or sample from prompts."""
