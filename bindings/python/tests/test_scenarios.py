"""The scenarios that all languages share, on the package. What they say, and how, is in ``tests/scenarios``."""

from __future__ import annotations

from pathlib import Path

import pytest
import scenario_groups  # noqa: F401
import scenario_records  # noqa: F401
import scenario_verbs  # noqa: F401
from conftest import PATIENCE
from scenario_world import VERBS, play
from scenarios import FOLDER, ScriptError, Step, parse, read_verbs

ALL: dict[str, list[Step]] = {}
for file in sorted(FOLDER.glob("*.scenario")):
    ALL |= parse(file.read_text())


@pytest.mark.parametrize("name", ALL)
async def test_e23_scenario(name: str, tmp_path: Path) -> None:
    await play(ALL[name], tmp_path, PATIENCE)


def test_every_verb_is_there() -> None:
    assert sorted(VERBS) == sorted(read_verbs())
    assert len(ALL) >= 35


START = "scenario tried\nnode n\ngraph a n name=one\n"


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ("fly a", "there is no verb"),
        ("listen a high=true", "knows no 'high'"),
        ("status a -> happy=true", "knows no 'happy'"),
        ("status a -> listening=true", "expected listening=true"),
        ("until status a -> listening=true", "expected listening=true"),
        ("listen a error=NotListening", "should have failed with NotListening"),
        ("close a\nlisten a", "failed with Closed"),
        ("close a\nlisten a error=NotFound", "expected NotFound"),
        ("listen b", "no graph is called b"),
        ("listen a b", "takes 1 names, not 2"),
        ("publish r a", "needs type="),
        ("publish r a type=t body=1 body=2", "is given twice"),
        ("publish r a type=t expires=soon", "cannot be read"),
        ("publish r a type=t attribute.x=1", "no value of an attribute"),
        ("delete a id=@r.id", "nothing told @r.id"),
        ("status a -> listening=false error=Closed", "who fails tells none"),
        ("events s a\nnext s", "no event in time"),
        ("events s a\npublish r a type=t\nnext s -> kind=node_changed", "expected kind=node_changed"),
        ("events s a\npublish r a type=t\nclose-events s\nfind s -> kind=record_changed", "told {'kind': 'end'}"),
        ("repeat many listen a", "repeat needs a number"),
        ("listen -> outcome=started a", "stands in no place"),
    ],
)
async def test_what_is_wrong_with_a_script_fails(steps: str, wanted: str, tmp_path: Path) -> None:
    with pytest.raises(ScriptError) as caught:
        await play(parse(START + steps)["tried"], tmp_path, 0.3)
    assert wanted in str(caught.value)


async def test_what_is_right_with_a_script_passes(tmp_path: Path) -> None:
    await play(parse(START + "status a -> listening=false")["tried"], tmp_path, 0.3)
    with pytest.raises(ScriptError):
        parse("listen a")
