"""The two kinds of failure a person meets: bad input, and something that ran and failed."""


class UsageError(Exception):
    """Bad input (unknown name, wrong type, corrupt or missing file). One line, exit code 2."""


class RunError(Exception):
    """Something that ran did not succeed. One line, exit code 1."""
