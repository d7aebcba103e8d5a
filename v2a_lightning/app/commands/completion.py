"""`completion`: what a shell needs to complete commands and options."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from v2a_lightning.app.arguments import option_names
from v2a_lightning.app.cli import COMMANDS, LIGHTNING_COMMANDS, load
from v2a_lightning.app.config_keys import CHOSEN_CLASSES, FIXED_CLASSES, PLAIN_KEYS
from v2a_lightning.app.signatures import signature
from v2a_lightning.project_configs import CONFIGS

# zsh runs bash's functions.
ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"
SCRIPT = """\
_v2a() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
  case "$before" in
    --config|--base|--data) words="{configs}" ;;
  esac
  if [ -z "$words" ]; then
    if [ "$COMP_CWORD" = 1 ]; then
      words="{commands}"
    else
      case "${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}" in
{cases}
      esac
    fi
  fi
  COMPREPLY=( $(compgen -W "$words" -- "$word") )
}}
complete -o default -F _v2a v2a
"""


def completion(shell: Literal["bash", "zsh"], /) -> int:
    """Print a script that completes the commands and options of `v2a`.

    Args:
        shell: whose: bash or zsh.
    """
    cases = "\n".join(f'        {pattern}) words="{" ".join(words)}" ;;' for pattern, words in _cases())
    configs = " ".join(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
    script = SCRIPT.format(configs=configs, commands=" ".join([*LIGHTNING_COMMANDS, *COMMANDS]), cases=cases)
    print((ZSH if shell == "zsh" else "") + script, end="")
    return 0


def _cases() -> Iterator[tuple[str, list[str]]]:
    """Each command as the first two words match it, and the words that can follow."""
    for name, (target, _) in COMMANDS.items():
        command = load(target)
        if not isinstance(command, Mapping):
            yield f'"{name} "*', _options(command)
            continue
        for part, function in command.items():
            yield f'"{name} {part}"', _options(function)
        yield f'"{name} "*', list(command)
    keys = [f"--{key}" for key in ("config", "help", *CHOSEN_CLASSES, *PLAIN_KEYS)]
    pages = [f"--{key}.help" for key in (*CHOSEN_CLASSES, "trainer")]
    fixed = ((key, signature(class_path)) for key, class_path in FIXED_CLASSES.items())
    further = [f"--{key}.{name}" for key, found in fixed if found for name in found.parameters]
    yield "|".join(f'"{name} "*' for name in LIGHTNING_COMMANDS), [*keys, *pages, *further]


def _options(function: Any) -> list[str]:
    own = [] if "config" in inspect.signature(function).parameters else ["config"]
    return [f"--{name}" for name in (*option_names(function), *own, "help")]
