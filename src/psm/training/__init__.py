"""Training: the loop, pretraining and its store of base models, fine-tuning arms and their exact Bayesian counterparts."""
