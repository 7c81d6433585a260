"""What can go wrong with a storage, as one line for people."""

import errno


class StorageError(OSError, ValueError):
    """A storage cannot be read or written: no room, no permission, no answer. Not the fault of the unit at work.

    Also a ValueError, which ends a command with its one line and exit code 2.
    """


class LostLeaseError(StorageError):
    """What was to be written or removed belongs to a process that holds the storage's lease no longer."""


def reason(error: BaseException) -> str:
    """Why something went wrong, in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def cannot(path: str, done: str, error: BaseException) -> StorageError:
    """The error of a path that cannot be read, written or removed, in one line with the way out where there is one."""
    number = error.errno if isinstance(error, OSError) else None
    way = "; free some there: the same command goes on" if number in (errno.ENOSPC, errno.EDQUOT) else ""
    return StorageError(f"{path} cannot be {done}: {reason(error)}{way}")
