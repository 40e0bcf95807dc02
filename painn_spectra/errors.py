"""The one exception a user sees: bad input, told in one line."""


class InputError(ValueError):
    """Names the value, the reason and the fix on one line; the command line prints it and exits with 2."""
