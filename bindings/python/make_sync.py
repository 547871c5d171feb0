"""Writes `peergraph.sync` from the asyncio package: the same classes, words and documentation, without waiting.

The native half answers at once where no loop runs, so all that changes is `async` and `await`. Only event streams differ,
and are written by hand. ``--check`` fails if the files are not what this would write.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "python" / "peergraph"
CONFIG = Path(__file__).parent / "pyproject.toml"
MODULES = ["_connection", "_graph", "_group", "_identities", "_node", "_records"]
NAMES = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "AsyncIterator": "Iterator",
    "_all": "all",
    "key_of": "key_now",
    "call": "blocking",
}
WORDS = [
    ("``await`` it or ``async with`` it.", "Usable with ``with``."),
    ("Await it for all, or iterate", "`all` gives all; or iterate"),
    ("Await it for a list, or iterate", "`Records.all` gives a list; or iterate"),
    ('await graph.records("note") ', 'graph.records("note").all() '),
    ('(await graph.records("note")).to_pandas()', 'graph.records("note").to_pandas()'),
    ("Cancelling the call cancels it.", "Ctrl-C cancels it."),
    ("async with await ", "with "),
    ("async with", "with"),
    ("async for", "for"),
    ("await ", ""),
    ("peergraph.Node", "peergraph.sync.Node"),
]
HEAD = "# Made by make_sync.py from ../{}.py: change that.\n"


def is_native(value: ast.expr) -> bool:
    """True for a call of the native half, which looks like something to await to the type checker."""
    text = ast.unparse(value)
    return text.startswith(("self._native.", "_native.", "self._query._native."))


class Sync(ast.NodeTransformer):
    """One module."""

    def visit_Await(self, node: ast.Await) -> ast.expr:
        self.generic_visit(node)
        if is_native(node.value):
            return ast.Call(func=ast.Name("now", ast.Load()), args=[node.value], keywords=[])
        if ast.unparse(node.value) == "self":
            return ast.Call(func=ast.Attribute(node.value, "all", ast.Load()), args=[], keywords=[])
        return node.value

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.FunctionDef:
        return self.visit_FunctionDef(ast.FunctionDef(**{name: getattr(node, name) for name in node._fields}))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.name = NAMES.get(node.name, node.name)
        self.generic_visit(node)
        return node

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.For:
        self.generic_visit(node)
        return ast.For(**{name: getattr(node, name) for name in node._fields})

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.With:
        self.generic_visit(node)
        return ast.With(**{name: getattr(node, name) for name in node._fields})

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        node.is_async = 0
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = NAMES.get(node.id, node.id)
        if node.id == "Opening":
            node.id = "Node"
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        self.generic_visit(node)
        node.attr = NAMES.get(node.attr, node.attr)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        # A node is opened at once, rather than when it is awaited.
        if isinstance(node.func, ast.Name) and node.func.id == "Node" and "NodeConfig" in ast.unparse(node.args[0]):
            config = ast.unparse(node.args[0])
            node.args = [ast.parse(f"now(_native.Node.start(alone({config})))", mode="eval").body]
        elif ast.unparse(node) == "Node(placed(config))":
            node.args = [ast.parse("now(_native.Node.start(alone(placed(config)), key_now(config)))", mode="eval").body]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef | None:
        if node.name == "Opening":
            return None
        node.body = [each for each in node.body if getattr(each, "name", "") != "__await__"]
        self.generic_visit(node)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        names = {NAMES.get(name.name, name.name): name.asname for name in node.names if name.name != "loop_here"}
        node.names = [ast.alias(name, asname) for name, asname in names.items()]
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str):
            for word, other in WORDS:
                node.value = node.value.replace(word, other)
        return node


class Deeper(ast.NodeTransformer):
    """Imports as they are one folder further down."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if node.level == 1 and node.module not in (*MODULES, "_events"):
            node.level = 2
        return node


def defined(node: ast.stmt) -> str:
    """The name that a statement of a module defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return targets[0].id if isinstance(targets[0], ast.Name) else ""


def shared(module: str) -> list[str]:
    """What is the same with and without waiting, and so is imported: each refers to nothing that is not."""
    source = (PACKAGE / f"{module}.py").read_text()
    before = ast.fix_missing_locations(Deeper().visit(ast.parse(source)))
    after = ast.fix_missing_locations(Sync().visit(Deeper().visit(ast.parse(source))))
    old = {defined(node): ast.unparse(node) for node in before.body if defined(node)}
    new = {defined(node): node for node in after.body if defined(node)}
    # What other modules here define is not the same, unless it is shared.
    other = {
        name.name
        for node in before.body
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module in (*MODULES, "_events")
        for name in node.names
        if node.module == "_events" or name.name not in shared(node.module or "")
    }
    changed = other | {name for name in old if name not in new or ast.unparse(new[name]) != old[name]}
    while more := {
        name
        for name, node in new.items()
        if name not in changed and any(isinstance(part, ast.Name) and part.id in changed for part in ast.walk(node))
    }:
        changed |= more
    return sorted(set(new) - changed)


def without_shared(module: str, tree: ast.Module) -> ast.Module:
    """The module with what is shared imported."""
    body: list[ast.stmt] = []
    own = shared(module)
    if own:
        tree.body.insert(2, ast.ImportFrom(module=module, names=[ast.alias(name) for name in own], level=2))
    previous = ""
    for node in tree.body:
        # A text below a name is its documentation.
        name = previous if isinstance(node, ast.Expr) else defined(node)
        previous = name
        if name in own:
            continue
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module in MODULES:
            there = shared(node.module)
            names = [name for name in node.names if name.name in there]
            node.names = [name for name in node.names if name.name not in there]
            if names:
                body.append(ast.ImportFrom(module=node.module, names=names, level=2))
            if not node.names:
                continue
        body.append(node)
    return ast.Module(body=body, type_ignores=[])


def made(module: str) -> str:
    """The text of a module."""
    source = (PACKAGE / f"{module}.py").read_text()
    tree = Sync().visit(Deeper().visit(ast.parse(source)))
    text = ast.unparse(ast.fix_missing_locations(without_shared(module, tree)))
    if "now(" in text:
        names = "alone, now" if "alone(" in text else "now"
        text = text.replace("from .. import _native\n", f"from .. import _native\nfrom ._now import {names}\n", 1)
        if "from ._now" not in text:
            at = text.index("from .._native")
            text = text[:at] + "from ._now import now\n" + text[at:]
    for command in (["check", "--fix", "--unsafe-fixes", "--quiet", "--exit-zero"], ["format", "--quiet"]):
        run = [str(Path(sys.executable).with_name("ruff")), *command, "--config", str(CONFIG), "-"]
        text = subprocess.run(run, input=text, text=True, capture_output=True, check=True, cwd=PACKAGE).stdout
    return HEAD.format(module) + text


def main() -> None:
    """Writes or checks all modules."""
    stale = []
    for module in MODULES:
        path, text = PACKAGE / "sync" / f"{module}.py", made(module)
        if "--check" in sys.argv:
            if not path.exists() or path.read_text() != text:
                stale.append(path.name)
        else:
            path.write_text(text)
    if stale:
        sys.exit(f"peergraph/sync: {', '.join(stale)} not as make_sync.py writes them: run it")


if __name__ == "__main__":
    main()
