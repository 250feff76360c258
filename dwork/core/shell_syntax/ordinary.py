"""Recognize ordinary commands at once, since a file may have a million and the parser takes 50 us for one.

An ordinary command has nothing that `fault` could object to under any shell: programs with arguments, quotes,
variables, redirections and simple substitutions, joined by `&&`, `||`, `|` and `;`. What is not recognized is parsed:
the pattern may miss any command, but must not match one that is refused.
"""

from __future__ import annotations

import re
from typing import Final

#: First words which need a closer look: of the grammar, of changes to the shell, and those with options of bash.
_SPECIAL: Final = """
    if then elif else fi for select while until do done case esac function coproc time
    cd chdir pushd popd source . alias unalias export readonly declare typeset local unset shopt let mapfile readarray
    setenv unsetenv deactivate ulimit umask set trap exec eval module ml conda mamba micromamba spack pyenv nvm
    wait test read type builtin disown caller compgen printf
""".split()
_WORD: Final = r"\-\w@%+=:,./~^*?\[\]"
_NOT_SPECIAL: Final = rf"(?!(?:{'|'.join(map(re.escape, _SPECIAL))}|echo[ \t]+-[neE]+)(?![{_WORD}]))"
#: The first word of a command; `=` in it would be an assignment, and digits before `>` a descriptor.
_FIRST: Final = rf"(?![0-9]+[<>]){_NOT_SPECIAL}[\w@%+:,./~-]+(?![{_WORD}({{])"
_OWN: Final = r"(?!(?:RANDOM|BASH|EPOCH|FUNCNAME|PIPESTATUS|SRANDOM))[A-Za-z_]\w*"
_VARIABLE: Final = rf"\$(?:{_OWN}|[0-9?$#]|\{{{_OWN}(?:[%#]{{1,2}}[\w.*?/-]+|:?-[\w./]*)?\}})"
_TEXT: Final = rf"[{_WORD} \t]*"
_SINGLE: Final = "'[^']*'"
_DOUBLE: Final = rf'"[^"\\$`]*(?:(?:\\.|{_VARIABLE})[^"\\$`]*)*"'
_SUBSTITUTION: Final = rf"\$\({_FIRST}{_TEXT}(?:(?:{_SINGLE}|{_DOUBLE}|{_VARIABLE}|\|[ \t]*{_FIRST}){_TEXT})*\)"
_OUTER_DOUBLE: Final = rf'"[^"\\$`]*(?:(?:\\.|{_VARIABLE}|{_SUBSTITUTION})[^"\\$`]*)*"'
_SET: Final = r"(?:[A-Za-z_]\w*=[\w./:,-]*[ \t]+)*"
_JOINED: Final = rf"(?:&&|\|\|?|;)[ \t]*{_SET}{_FIRST}"
_REDIRECTED: Final = r"(?:>>?|<)[ \t]*(?=[\w./~$\"'])|>&[0-9](?=[ \t;&|<>)]|$)"
_PART: Final = rf"{_SINGLE}|{_OUTER_DOUBLE}|{_VARIABLE}|{_SUBSTITUTION}|{_REDIRECTED}|{_JOINED}|\\.|\{{\}}"
#: Before another command `cd` is useful; before one that does nothing either, it is not.
_CD: Final = rf"(?:cd[ \t]+(?:[\w./~-]+|{_VARIABLE})[ \t]*&&[ \t]*(?!(?:true|false|:|exit)(?![{_WORD}])))?"
_ORDINARY: Final = re.compile(rf"{_CD}{_SET}{_FIRST}{_TEXT}(?:(?:{_PART}){_TEXT})*", re.ASCII)


def is_ordinary(command: str) -> bool:
    """Whether a command is one that no shell takes amiss; False when it is not known."""
    return _ORDINARY.fullmatch(command) is not None
