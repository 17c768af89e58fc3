"""What Renode says about a run that it gave up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hilbert_codegen.targets.boards import BOARDS
from hilbert_codegen.targets.emulators import END, Job, Outcome
from hilbert_codegen.targets.emulators.renode import Renode, _last_error

REASON = "Could not find libllvm-disas. Please check in current output directory."
#: What Renode 1.16.1 prints where its disassembler is not there.
CRASH = f"""12:00:00.0000 [INFO] mps2-an386: Machine started.
Fatal error:
{REASON}
   at Antmicro.Renode.Peripherals.CPU.Disassembler.LLVMDisassembler.GetDisassembler(UInt32 flags)
   at Antmicro.Renode.Peripherals.CPU.ErrorTracer.WriterThreadBody()
"""
UNHANDLED = f"Unhandled exception. Antmicro.Renode.Exceptions.RecoverableException: {REASON}"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (CRASH, f"Fatal error: {REASON}"),
        (f"{CRASH}\n{UNHANDLED}\n   at Antmicro.Renode.Main(String[] args)\n", f"Fatal error: {REASON}"),
        ("Fatal error:\n", "Fatal error:"),
        (
            "There was an error executing command 'x'\nNo such file\n",
            "There was an error executing command 'x' No such file",
        ),
        ("one\nError E39: two\nthree\n", "Error E39: two"),
        ("Crash: one\n   at Main()\n   --- End of inner exception stack trace ---\n   at Main()\n", "Crash: one"),
        ("one\ntwo\n", "two"),
        ("", "no message"),
    ],
)
def test_the_message_holds_the_reason(said: str, expected: str) -> None:
    assert _last_error(said) == expected


def outcome_of(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """What comes of a job for a stand-in that answers --version, and else runs `program`, Python."""
    stand_in = folder / "renode.py"
    stand_in.write_text(
        "import os, pathlib, re, sys\n"
        f"if '--version' in sys.argv:\n    print('Renode v1.99.0.1')\n    sys.exit()\n{program}",
        encoding="utf-8",
    )
    monkeypatch.setenv("RENODE", f"{sys.executable} {stand_in}")
    emulator = Renode()
    try:
        return emulator.run(Job(folder / "none.elf", BOARDS["mps2-an386"], 20))
    finally:
        emulator.close()


def test_a_renode_that_dies_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that dies of the first script: the run's problem is its reason, in one line."""
    program = f"sys.stdin.readline()\nprint({CRASH!r}, flush=True)\nos.abort()\n"
    outcome = outcome_of(program, tmp_path, monkeypatch)
    assert outcome.problem is not None and f"Fatal error: {REASON}" in outcome.problem
    assert len(outcome.problem.splitlines()) == 1


@pytest.mark.parametrize(("broken", "problem"), [(2, False), (9, True)])
def test_a_renode_that_lacks_commands_is_started_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int, problem: bool
) -> None:
    """A stand-in that knows the script's command only after `broken` starts: the third start is the last."""
    starts = tmp_path / "starts"
    outcome = outcome_of(
        f"starts = pathlib.Path({str(starts)!r})\n"
        "number = len(starts.read_text()) if starts.exists() else 0\n"
        "starts.write_text('x' * (number + 1))\n"
        "script = pathlib.Path(sys.stdin.readline().split('@')[1].strip()).read_text()\n"
        f"if number < {broken}:\n"
        "    print(\"There was an error executing command 'cpu Trace'\", flush=True)\n"
        "    print('sysbus.cpu does not provide a field, method or property Trace.', flush=True)\n"
        "else:\n"
        f"    pathlib.Path(re.search(r'CreateFileBackend @(\\S+)', script)[1]).write_text({END + chr(10)!r})\n"
        "for line in sys.stdin:\n    print(line.replace('log \"', '').strip('\"\\n'), flush=True)\n",
        tmp_path,
        monkeypatch,
    )
    assert ("does not provide" in (outcome.problem or "")) == problem, outcome
    assert (outcome.problem is None) == (not problem)
    assert len(starts.read_text()) == 3
