"""`symdiff completion`: a script that completes commands, options and their choices in bash, zsh or fish.

It is written from the parser, so it knows what the parser knows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from symdiff.cli.command import Command, add_output, give


def _add(parser: argparse.ArgumentParser) -> None:
    told = "bash: source <(symdiff completion bash); zsh the same; fish: symdiff completion fish | source"
    parser.add_argument("shell", choices=sorted(SHELLS), help=told)
    add_output(parser)


def _run(options: argparse.Namespace) -> int:
    from symdiff.cli import parser

    text = SHELLS[options.shell](parser())
    give(options, {"shell": options.shell, "script": text}, text)
    return 0


def _commands(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = [a for a in top._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(actions[0].choices)


def _options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The options, and what has choices."""
    return (a for a in parser._actions if a.option_strings or a.choices)


def _words(action: argparse.Action) -> list[str]:
    return [str(choice) for choice in action.choices or ()]


def _bash(top: argparse.ArgumentParser) -> str:
    cases = []
    for name, parser in _commands(top).items():
        first: list[str] = []
        inner = []
        for action in _options(parser):
            if not action.option_strings:
                first += _words(action)
                continue
            first += action.option_strings
            if action.choices:
                inner.append(f'{"|".join(action.option_strings)}) words="{" ".join(_words(action))}" ;;')
        inner.append(f'*) words="{" ".join(first)}" ;;')
        chosen = "\n".join(['            case "$before" in', *(f"{16 * ' '}{line}" for line in inner)])
        cases.append(f"        {name})\n{chosen}\n            esac ;;")
    commands = " ".join([*_commands(top), "--help", "--version"])
    return BASH.replace("<commands>", commands).replace("<cases>", "\n".join(cases))


BASH = """\
# Completion of symdiff for bash: source <(symdiff completion bash)
_symdiff() {
    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="<commands>"
    else
        case "${COMP_WORDS[1]}" in
<cases>
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    if [ ${#COMPREPLY[@]} -eq 0 ] && [ "$COMP_CWORD" -gt 1 ]; then COMPREPLY=($(compgen -f -- "$word")); fi
}
complete -F _symdiff symdiff
"""


def _zsh(top: argparse.ArgumentParser) -> str:
    return "\n".join(
        [
            "# Completion of symdiff for zsh: source <(symdiff completion zsh)",
            "autoload -U +X bashcompinit && bashcompinit",
            *_bash(top).splitlines()[1:],
        ]
    )


def _fish(top: argparse.ArgumentParser) -> str:
    lines = ["# Completion of symdiff for fish: symdiff completion fish | source"]
    helps = {a.dest: a.help or "" for a in top._subparsers._group_actions[0]._choices_actions}  # type: ignore[union-attr]
    for name, parser in _commands(top).items():
        lines.append(f"complete -c symdiff -n __fish_use_subcommand -a {name} -d {_quoted(helps[name])}")
        here = f'-n "__fish_seen_subcommand_from {name}"'
        for action in _options(parser):
            words = f" -a {_quoted(' '.join(_words(action)))}" if action.choices else ""
            flags = "".join(
                f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}" for flag in action.option_strings
            )
            taken = " -r" if action.option_strings and action.nargs != 0 else ""
            only = " -f" if action.choices else ""
            lines.append(f"complete -c symdiff {here}{flags}{taken}{only}{words} -d {_quoted(action.help or '')}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS: dict[str, Callable[[argparse.ArgumentParser], str]] = {"bash": _bash, "fish": _fish, "zsh": _zsh}

COMMAND = Command(_add, _run)
