"""The persona world: who speaks, how they answer, what a document looks like, and the exact posterior about it all."""
