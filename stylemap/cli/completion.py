"""``stylemap completion``: the script that completes verbs and flags in a shell."""

import argparse

import argcomplete

from stylemap.cli.parsing import Parser


def completion(parser: Parser) -> None:
    """Print the script that completes verbs and flags when you press Tab. For bash put `eval "$(stylemap completion bash)"`
    into ~/.bashrc. For zsh put the same with zsh into ~/.zshrc, below the line that runs compinit. For fish put
    `stylemap completion fish | source` into ~/.config/fish/config.fish."""
    parser.add_argument(
        "shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="Name of the shell: bash, zsh or fish."
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    print(argcomplete.shellcode(["stylemap"], shell=arguments.shell))
