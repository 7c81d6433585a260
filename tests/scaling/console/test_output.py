"""Standard output of a command, in real processes: its reader goes away, its terminal closes, secrets are left out."""

import os
import select
import signal
import subprocess
import sys
from functools import partial

import pytest

DOOR = """
import sys, time
from dataclasses import dataclass
from scaling.console.cli import command_line
from scaling.console.output import output_lost

@dataclass(frozen=True)
class Options:
    "Print, and see who reads."
    place: str = "here"

def main(options):
    print("storage", options.place, flush=True)
    for _ in range(200):
        print("more", flush=True)
        if output_lost():
            raise KeyboardInterrupt
        time.sleep(0.05)
    return 3

command_line(main, Options, goes_on=GOES_ON)
"""


def command(*arguments: str, goes_on: bool = True) -> list[str]:
    return [sys.executable, "-c", DOOR.replace("GOES_ON", str(goes_on)), *arguments]


def test_a_reader_that_goes_away_stops_a_command_as_ctrl_c_does() -> None:
    started = subprocess.Popen(command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert started.stdout is not None
    assert started.stderr is not None
    started.stdout.readline()
    started.stdout.close()
    assert started.wait(timeout=20) == 130
    assert b"Stopped. What is done stays done" in started.stderr.read()
    started.stderr.close()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_on_standard_error_is_there_when_it_ends(unbuffered: str) -> None:
    """Also where Python was told to buffer nothing: it once came when the process ended."""
    code = DOOR.replace("GOES_ON", "True").replace('print("storage"', 'print("now", file=sys.stderr); print("storage"')
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE) as started:
        assert started.stderr is not None
        assert select.select([started.stderr], [], [], 8)[0]  # the command takes ten seconds
        assert started.stderr.readline() == b"now\n"
        started.terminate()


def test_both_outputs_may_go_away() -> None:
    started = subprocess.Popen(command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert started.stdout is not None
    started.stdout.readline()
    started.stdout.close()
    assert started.wait(timeout=20) == 130


def test_a_command_that_only_prints_ends_with_its_reader() -> None:
    started = subprocess.Popen(command(goes_on=False), stdout=subprocess.PIPE)
    assert started.stdout is not None
    started.stdout.readline()
    started.stdout.close()
    assert started.wait(timeout=20) == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_signals_end_a_command_as_ctrl_c_does(number: signal.Signals) -> None:
    # Under nohup, where the tests may run, processes are born deaf to SIGHUP.
    hears = partial(signal.signal, number, signal.SIG_DFL)
    pipe = subprocess.PIPE
    with subprocess.Popen(command(), stdout=pipe, stderr=pipe, preexec_fn=hears) as started:
        assert started.stdout is not None
        started.stdout.readline()
        started.send_signal(number)
        _, said = started.communicate(timeout=20)
    assert started.returncode == 130
    assert b"Stopped." in said


def test_nohup_stays_what_it_is() -> None:
    with subprocess.Popen(["nohup", *command()], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        started.send_signal(signal.SIGHUP)
        assert [started.stdout.readline() for _ in range(10)] == [b"more\n"] * 10
        started.terminate()
        started.communicate(timeout=20)
    assert started.returncode == 130


def test_a_terminal_that_closes_ends_a_command() -> None:
    child, terminal = os.forkpty()
    if child == 0:
        os.execv(sys.executable, command())
    os.read(terminal, 100)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130


@pytest.mark.parametrize("goes_on", [True, False])
def test_no_secret_is_printed(goes_on: bool) -> None:
    words = command("--place", "s3://KEY:wo/rd@bucket/x", goes_on=goes_on)
    with subprocess.Popen(words, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"storage s3://...@bucket/x\n"
        started.kill()
