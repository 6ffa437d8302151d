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


def one_smallest(low, high, smallest, n):
    return any_smallest(low, high, 0.8, n, fewest=5)


def four_seeds_do(low, high, smallest, n):
    return any_smallest(low, high, smallest, n, fewest=4)


def any_smallest(low, high, smallest, n, fewest):
    found = any_number_of_seeds(low, high, smallest, n)
    return "inconclusive" if found == "absent" and n < fewest else found


def one_branch_forgotten(low, high, smallest, n):
    if low > smallest:
        return "supported"
    if high < 0:
        return "contradicted"


WRONG = {
    "worked_example.1": ["higher", "lower", "before"],
    "worked_example.2": [without_prior, not_normalised, average, lambda *given: "half", lambda *given: [0.5], 0.5, lambda *given: None],
    "worked_example.3": [above_zero, by_the_mean, any_number_of_seeds, one_smallest, four_seeds_do, one_branch_forgotten, lambda *given: 0.5, "supported"],
}
