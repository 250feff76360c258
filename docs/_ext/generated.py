"""Writes the pages that are made of the sources, before Sphinx looks which there are; and colours what is typed."""

from __future__ import annotations

import re
from pathlib import Path

import commands
import protocol
from docutils import nodes
from pygments.lexers.shell import BashSessionLexer
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

import dwork


class Typed(BashSessionLexer):
    """A block of console as in these pages: commands are after `$ `, and `#12` is the number of a task."""

    _ps1rgx = re.compile(r"^(\$ )(.*\n?)")


def write(app: Sphinx) -> None:
    """Those of commands and of the protocol; what has not changed is left alone, so that it is not read again."""
    reference = Path(app.srcdir, "reference")
    pages = {f"commands/{page.stem}.rst": page.text for page in commands.pages()}
    pages["protocol.rst"] = protocol.page(Path(app.srcdir).parent / "proto" / "dwork.proto")
    (reference / "commands").mkdir(exist_ok=True)
    for old in (reference / "commands").glob("*.rst"):
        if f"commands/{old.name}" not in pages:
            old.unlink()
    for name, text in pages.items():
        path = reference / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def unlink(app: Sphinx, page: nodes.document, _name: str) -> None:
    """A page for man has no links to others, and would show where they lead: nowhere."""
    if app.builder.name == "man":
        for link in list(page.findall(nodes.reference)):
            if link.get("internal"):
                link.replace_self(link.children)


def public(app: Sphinx, _environment: object, node: pending_xref, text: nodes.TextElement) -> nodes.Element | None:
    """A class is in the reference under its public name; where its module is, no reader need know."""
    module, _, name = node["reftarget"].rpartition(".")
    if not module.startswith("dwork.") or name not in dwork.__all__:
        return None
    domain = app.env.get_domain("py")
    kind = node["reftype"]
    return domain.resolve_xref(app.env, node["refdoc"], app.builder, kind, f"dwork.{name}", node, text)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_lexer("console", Typed)
    app.connect("builder-inited", write)
    app.connect("doctree-resolved", unlink)
    app.connect("missing-reference", public)
    return {"parallel_read_safe": True}
