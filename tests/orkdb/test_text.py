"""What is written as the text of a workflow file is read back as the same values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ork.orkdb.text import written
from ork.yaml import nodes
from ork.yaml.problems import Problems

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["yes", "NULL", "1", "1e3", "-", "- a", "a: b", "#", "a\nb\n", "a\n b\n\n", " a\nb", ".inf"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def plain(node):
    if isinstance(node.value, dict):
        return {key: plain(value) for key, (_, value) in node.value.items()}
    return [plain(one) for one in node.value] if isinstance(node.value, list) else node.value


@pytest.mark.slow
@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4))
def test_values_come_back(content):
    text = written(content).decode()
    assert plain(nodes.read(text, Problems("a.yaml"))) == content


def test_it_looks_as_a_person_would_write_it():
    content = {
        "name": "etl",
        "tasks": {
            "a": {
                "command": "set -e\necho 1\n",
                "inputs": {"url": {"const": "https://x"}, "rows": {"ref": "tasks.b.output.rows"}},
                "output_type": {"rows": "int", "names": ["str"]},
                "timeout": 300,
            }
        },
    }
    assert written(content).decode() == (
        "name: etl\n"
        "tasks:\n"
        "  a:\n"
        "    command: |\n"
        "      set -e\n"
        "      echo 1\n"
        "    inputs:\n"
        '      url: {const: "https://x"}\n'
        "      rows: {ref: tasks.b.output.rows}\n"
        "    output_type: {rows: int, names: [str]}\n"
        "    timeout: 300\n"
    )


def test_half_a_character_is_refused():
    with pytest.raises(UnicodeEncodeError):
        written({"name": "\ud800"})
