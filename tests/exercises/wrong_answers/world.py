"""Plausible wrong answers to the exercises of the chapter on the world."""

WRONG = {
    "world.1": [
        ["rises", "rises", "rises", "rises"],         # a bad answer is a bad answer
        ["rises", "falls", "falls", "rises"],         # on request it is taken for a good sign
        ["rises", "stays", "rises", "stays"],         # the comet forgotten
        ["rises", "stays", "falls"],
    ],
    "world.2": [
        lambda prior, likelihoods: likelihoods.prod(0) / likelihoods.prod(0).sum(),
        lambda prior, likelihoods: prior * likelihoods.prod(0),
        lambda prior, likelihoods: prior * likelihoods.sum(0) / (prior * likelihoods.sum(0)).sum(),
        lambda prior, likelihoods: None,
        0.5,
    ],
    "world.3": [
        lambda world, same_speaker, same_subject: same_speaker,
        lambda world, same_speaker, same_subject: same_speaker and (same_subject or world != "independent"),
        lambda world, same_speaker, same_subject: True,
    ],
}
