"""Keys in files: refused by deploy and run, told by check, shown by nobody, kept when told to."""

import json

import pytest

KEY = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3gH5"
URL = "postgres://app:" + "hunter2@db.example/etl"


@pytest.fixture
def leaky(etl):
    """The small pipeline with a key in the workflow file and a password in its code."""
    text = (etl.folder / "etl.yaml").read_text()
    (etl.folder / "etl.yaml").write_text(text + f"    env: {{TOKEN: {KEY}}}\n")
    etl.write("tasks/etl.py", f"DB = '{URL}'\n\n\ndef extract():\n    return {{'rows': 3}}\n")
    return etl


def stored(etl):
    """Return everything that is in the store, as bytes."""
    files = [p for p in (etl.folder / ".ork").rglob("*") if p.is_file() and p.name != "lock.mdb"]
    return b"".join(path.read_bytes() for path in files)


@pytest.mark.parametrize(
    "argv", [("deploy", "etl.yaml"), ("run", "etl.yaml"), ("run", "etl.yaml", "--no-deploy")]
)
def test_a_file_with_keys_is_refused_and_nothing_is_kept(leaky, argv):
    result = leaky(*argv)
    assert (result.code, result.out) == (3, "")
    assert "etl.yaml:" in result.err
    assert "tasks/etl.py:1:7: this looks like a password in a URL (post...)" in result.err
    assert "a GitHub token (ghp_...)" in result.err
    assert "--allow-secret" in result.err
    assert "{secret: NAME}" in result.err
    for secret in (KEY, "hunter2"):
        assert secret not in result.err
        assert secret.encode() not in stored(leaky)


def test_check_tells_of_keys_without_showing_them(leaky):
    result = leaky("check", "etl.yaml")
    assert result.code == 1
    assert "this looks like a GitHub token (ghp_...)" in result.out
    assert KEY not in result.out
    as_json = leaky("check", "etl.yaml", "--json").out
    assert KEY not in as_json
    assert "hunter2" not in as_json
    json.loads(as_json)


@pytest.mark.parametrize("command", ["deploy", "run"])
def test_who_insists_may_keep_a_key_and_is_not_asked_again(leaky, command):
    assert leaky(command, "etl.yaml", "--allow-secret").code == 0
    assert leaky(command, "etl.yaml").code == 0
    leaky.write("tasks/etl.py", f"DB = '{URL}'  # changed\n\n\ndef extract(): ...\n")
    assert leaky(command, "etl.yaml").code == 3


def test_a_key_in_the_second_file_keeps_the_first_from_being_deployed(leaky):
    leaky.write("good.yaml", "name: good\ntasks: {a: {executor: process, command: 'true'}}\n")
    assert leaky("deploy", "good.yaml", "etl.yaml").code == 3
    assert leaky("log", "good").code == 3


def test_a_key_in_a_message_is_refused(etl):
    result = etl("deploy", "etl.yaml", "-m", f"use {KEY}")
    assert result.code == 3
    assert "the message has what looks like a GitHub token (ghp_...)" in result.err
    assert KEY.encode() not in stored(etl)


def test_a_key_in_a_parameter_is_refused(etl, edit):
    edit("etl.yaml", "tasks:\n", "params: {token: {type: str, default: ''}}\ntasks:\n")
    result = etl("run", "etl.yaml", "-i", f"token={KEY}")
    assert result.code == 3
    assert "the parameter token has what looks like a GitHub token" in result.err
    assert KEY.encode() not in stored(etl)
