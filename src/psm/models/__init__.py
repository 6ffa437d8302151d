"""Models: the tiny transformers of the persona world, real open models, and how both are read."""
