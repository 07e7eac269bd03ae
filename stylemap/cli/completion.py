"""``stylemap completion``: the script that completes verbs and flags in a shell."""

import argparse

import argcomplete

from stylemap.cli.parsing import Parser


def completion(parser: Parser) -> None:
    """Print the script that completes verbs and flags when you press Tab. For bash put `eval "$(stylemap completion bash)"`
    into ~/.bashrc, for zsh the same with zsh into ~/.zshrc, for fish `stylemap completion fish | source` into
    ~/.config/fish/config.fish."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="The shell.")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    print(argcomplete.shellcode(["stylemap"], shell=arguments.shell))
