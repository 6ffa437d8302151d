"""Open language models: where they come from, how they are scored, and the question sheets put to them."""
