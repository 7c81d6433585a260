"""Read the rows of a study: `python -m analysis COMMAND ...`.

python -m analysis report results/quickstart
python -m analysis core-days results/quickstart --json
"""

import sys
from collections.abc import Sequence

from analysis.commands import COMMANDS
from scaling.console import exit_code, guard_output, parse_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 2 with one line on stderr for what a user got wrong."""
    words = sys.argv[1:] if arguments is None else arguments
    return exit_code(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    options = {name: module.Options for name, module in COMMANDS.items()}
    # abbreviate: these commands have always taken the beginnings of flags, as argparse does
    chosen = parse_command(options, __doc__ or "", words, program="python -m analysis", abbreviate=True)
    try:
        COMMANDS[words[0]].run(chosen)
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        raise ValueError(str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    return 0


if __name__ == "__main__":
    guard_output(drop=False)
    sys.exit(main())
