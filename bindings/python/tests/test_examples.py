"""The examples as a newcomer runs them: processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import peergraph
import pytest

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "python"
PACKAGE = str(Path(peergraph.__file__).parents[1])


def start(name: str, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": PACKAGE}
    pipe = subprocess.PIPE
    command = [sys.executable, str(FOLDER / name), *arguments]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=cwd, env=environment)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def test_the_ten_lines_in_two_terminals(tmp_path: Path) -> None:
    ann = start("create.py", cwd=tmp_path)
    try:
        invitation = line(ann)
        assert invitation.startswith("peergraph-invitation:")
        ben = start("join.py", invitation, cwd=tmp_path)
        assert line(ann).endswith(" hello")
        assert ben.communicate(timeout=60) == ("", "")
        assert ben.returncode == 0
        again = start("join.py", invitation, "cas", cwd=tmp_path)
        out, error = again.communicate(timeout=60)
        assert again.returncode == 1
        assert error.startswith("InvitationUsedUp: "), (out, error)
    finally:
        ann.kill()
        ann.communicate()


def test_a_text_that_is_no_invitation_is_told_in_one_line(tmp_path: Path) -> None:
    out, error = start("join.py", "hello", cwd=tmp_path).communicate(timeout=60)
    assert out == ""
    assert error.startswith("InvalidInvitation: ")
    assert len(error.splitlines()) == 1


def test_two_chat(tmp_path: Path) -> None:
    ann = start("chat.py", "Ann", cwd=tmp_path)
    try:
        while not (invitation := line(ann)).startswith("peergraph-invitation:"):
            assert ann.poll() is None
        ben = start("chat.py", "Ben", invitation, cwd=tmp_path)
        assert ben.stdin is not None
        ben.stdin.write("hello, Ann\n")
        ben.stdin.flush()
        said = [line(ann)]
        while said[-1] != "Ben: hello, Ann":
            assert ann.poll() is None, said
            said.append(line(ann))
        assert "(Ben joined)" in said
        ben.communicate(timeout=60)
        assert ben.returncode == 0
        ann.communicate(timeout=60)
        assert ann.returncode == 0
    finally:
        ann.kill()


@pytest.mark.parametrize("text", ["buy milk", "and bread, 2 €"])
def test_notes_without_asyncio_are_kept(tmp_path: Path, text: str) -> None:
    for number in range(3):
        out, error = start("notes.py", text, str(number), cwd=tmp_path).communicate(timeout=60)
        assert error == ""
        assert len(out.splitlines()) == number + 1
    listed = start("notes.py", cwd=tmp_path).communicate(timeout=60)[0]
    assert [kept.split("  ", 1)[1] for kept in listed.splitlines()] == [f"{text} {number}" for number in range(3)]


def test_c34_a_chat_is_found_again_after_a_restart(tmp_path: Path) -> None:
    for turn in range(2):
        chat = start("chat.py", "Ann", cwd=tmp_path)
        try:
            out, error = chat.communicate(f"line {turn}\n", timeout=60)
        finally:
            chat.kill()
        assert (chat.returncode, error) == (0, "")
        assert ("peergraph-invitation:" in out) == (turn == 0), "a group is made once"
