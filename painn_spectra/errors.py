"""The one exception a user sees: bad input, told in one line."""

LONGEST = 2000  # characters: enough for what is wrong, not for the whole of a damaged file


class InputError(ValueError):
    """Names the value, the reason and the fix on one line; the command line prints it and exits with 2.

    What a file brings into the message can neither break the line nor steer a terminal: control characters
    become blanks, and the middle of what is too long is left out.
    """

    def __init__(self, message: str) -> None:
        line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
        if len(line) > LONGEST:
            line = f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
        super().__init__(line)


def first_line(error: BaseException) -> str:
    """What another program's exception says first; its type where it says nothing."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
