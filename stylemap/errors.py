"""The one error that is the user's to mend."""


class InputError(ValueError):
    """Input that cannot be used: one line that names the file or flag and the repair.

    The command line prints it as ``error: ...`` and exits with 2; library users catch a ValueError.
    """


def brief(err: Exception) -> str:
    """What a library's error says, on one line that is not too long."""
    return " ".join(str(err).split())[:200]
