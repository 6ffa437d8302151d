"""Plausible wrong answers to the exercises of the worked example."""


def without_prior(belief, if_malevolent, if_not):
    return if_malevolent / (if_malevolent + if_not)


def not_normalised(belief, if_malevolent, if_not):
    return belief * if_malevolent


def average(belief, if_malevolent, if_not):
    return (belief + if_malevolent / (if_malevolent + if_not)) / 2


def above_zero(low, high, smallest, n):
    return "supported" if low > 0 else "contradicted" if high < 0 else "inconclusive"


def by_the_mean(low, high, smallest, n):
    mean = (low + high) / 2
    return "supported" if mean > smallest else "contradicted" if mean < 0 else "absent"


def any_number_of_seeds(low, high, smallest, n):
    if low > smallest:
        return "supported"
    if high < 0:
        return "contradicted"
    return "absent" if -smallest < low and high < smallest else "inconclusive"


WRONG = {
    "worked_example.1": ["higher", "lower"],
    "worked_example.2": [without_prior, not_normalised, average],
    "worked_example.3": [above_zero, by_the_mean, any_number_of_seeds],
}
