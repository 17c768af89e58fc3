"""The two ways a command can end badly, and the exit status of each."""

from __future__ import annotations


class HilbertError(Exception):
    """Base of every error this package raises on purpose; its text is one line for the user."""

    exit_code = 1


class UsageError(HilbertError):
    """What was asked for can't be done: names the file, key, value and the remedy. Exit status 2."""

    exit_code = 2


class CheckFailed(HilbertError):  # noqa: N818 - it says what happened
    """A check ran and the answer is no: a mismatch, a stale file, a missed limit. Exit status 1."""

    exit_code = 1
