"""Obvious keys are found at their place and never shown; little else is found."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.definition.secrets import FINDS_MAX, find_secrets, hide_secrets, secret_problems
from tests.scale import sampled, size

ROOT = Path(__file__).resolve().parents[2]
BODY = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3gH5jK7mN9pQ1s"  # put together, so that this page has none
KEYS = {
    "a private key": [
        f"-----BEGIN {kind}PRIVATE KEY-----"
        for kind in ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ")
    ]
    + ["-----BEGIN PGP " + "PRIVATE KEY BLOCK-----"],
    "an AWS access key": ["AK" + "IAIOSFODNN7EXAMPLE", "AS" + "IAIOSFODNN7EXAMPLE"],
    "a GitHub token": [f"gh{kind}_{BODY[:36]}" for kind in "pousr"]
    + [f"github_pat_{BODY[:22]}_{BODY[:30]}"],
    "a GitLab token": ["glpat-" + BODY[:20]],
    "a Slack token": [f"xox{kind}-123456789012-{BODY[:20]}" for kind in "abpr"],
    "a Stripe key": [f"{kind}k_live_{BODY[:24]}" for kind in "sr"],
    "a Google API key": ["AIza" + BODY[:35]],
    "an OpenAI key": ["sk-" + BODY[:20], "sk-proj-" + BODY[:40]],
    "an Anthropic key": ["sk-ant-" + "api03-" + BODY],
    "an npm token": ["npm_" + BODY[:36]],
    "a PyPI token": ["pypi-AgEI" + BODY],
    "a SendGrid key": [f"SG.{BODY[:22]}.{BODY[:43]}"],
    "a JSON web token": [f"eyJ{BODY[:20]}.eyJ{BODY[:20]}.{BODY[:30]}"],
    "a password in a URL": [
        f"{scheme}://{who}@host.example/db"
        for scheme, who in (
            ("postgres", "app:hunter2"),
            ("https", "u:p"),
            ("redis", ":only-a-password"),
            ("postgresql+psycopg2", "app:p%40ss$word"),
        )
    ],
}
ALL_KEYS = [(what, key) for what, keys in KEYS.items() for key in keys]
NO_KEYS = [
    "postgres://app:${PASSWORD}@host/db",
    "postgres://app:$PASSWORD@host/db",
    "postgres://{user}:{password}@host/db",
    "postgres://%s:%s@host/db",
    "postgres://app:%(password)s@host/db",
    "postgres://<user>:<password>@host/db",
    "postgres://app:xxx@host/db",
    "postgres://app:***@host/db",
    "postgres://app:...@host/db",
    "https://user:@host/",
    "https://host:8080/@scope/package",
    "git@github.com:org/repo.git",
    "ssh://git@github.com/org/repo.git",
    "re.compile(r'://([^:]+):([^@]+)@')",
    "ghp_" + "x" * 36,
    "AK" + "IAIOSFODNN7EXAMPLEisalongword",
    "risk-assessmentofthewholecompany",
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----",
    "sk-toggleable__content-container-of-something",
]


@pytest.mark.parametrize(("what", "key"), ALL_KEYS)
def test_an_obvious_key_is_found_where_it_stands_and_not_told(what: str, key: str) -> None:
    text = f"name: etl\nenv:\n  KEY: {key}\n"
    (found,) = find_secrets(text)
    assert (found.line, found.column) == (3, 8)
    assert found.what == f"{what} ({key[:4]}...)"


@pytest.mark.parametrize(("what", "key"), ALL_KEYS)
def test_a_complaint_shows_its_line_without_the_key(what: str, key: str) -> None:
    (problem,) = secret_problems(f"a: 1\nb: '{key}' # why".encode(), file="w.yaml")
    rest = "host.example/db" if "://" in key else ""
    assert problem.source == f"b: '{key[:4]}...{rest}' # why"
    assert (problem.file, problem.line, problem.column) == ("w.yaml", 2, 5)
    assert "--allow-secret" in str(problem.hint)
    assert key[5:] not in str(problem)


NAMED = [
    f"AWS_SECRET_ACCESS_KEY={BODY}",
    f"export AWS_SECRET_ACCESS_KEY='{BODY[:40]}'; aws s3 ls",
    f"AWS_SECRET_ACCESS_KEY: {BODY[:20]}/{BODY[:19]}  # why",
    f"mysql --password={BODY[:16]} db",
    f"client --token {BODY[:16]}",
    f"PGPASSWORD={BODY[:16]} psql",
    f'password = "{BODY[:16]}"',
    f'{{"client_secret": "{BODY[:16]}"}}',
    f"env: {{DB_PASSWORD: {BODY[:16]}}}",
    f"inputs: {{api_key: {{const: {BODY[:32]}}}}}",
    f"inputs:\n  api_key:\n    const: '{BODY[:32]}'",
    f"params: {{password: {{type: str, default: {BODY[:16]}}}}}",
    f"params:\n  token:\n    type: str\n    default: {BODY[:16]}\n",
    f"stripeApiKey: '{BODY[:16]}'",
]
INNOCENT = [
    "env: {X: {secret: DB_PASSWORD_1}}",
    "DB_PASSWORD=$PASSWORD1 x",
    'DB_PASSWORD="${DB_PASSWORD_1}"',
    "DB_PASSWORD=$(pass show db1)",
    "password: str",
    "password: {type: str}",
    "token: types.Token1Name",
    "inputs: {token: {ref: tasks.step1.output.token}}",
    "PASSWORD_FILE=/run/secrets/db1",
    "PASSWORD=/etc/passwd1234",
    "password = getpass1()",
    "token = tokens[1]",
    "f(token=token12345)",
    "x = token if token1234 else y",
    "the token abcdefg12 is wrong",
    "API_KEY=changeme123",
    "API_KEY=xxxxxxxxxxxx1",
    "api_key: your-api-key-1",
    "TOKEN: ${{ secrets.TOKEN1 }}",
    "TOKEN={{ token1 }}",
    "SECRET_NAME=prod/db1/password",
    "max_tokens: 100000k1",
    "primary_key: customer_id1",
    "sort_key=itemgetter1",
    "token_url: https://example.com/oauth2",
    "token: https://example.com/oauth2",
    "cache-key: build-v1-2026abc",
    "access_key: os.environ1.get2",
    "private_key: ./keys/id_rsa1",
    "API_KEY=MY_OTHER_KEY_2",
    "TOKEN=abc1",
    "password: 1234567890",
]


@pytest.mark.parametrize("text", NAMED)
def test_a_value_under_the_name_of_a_secret_is_found_and_hidden(text: str) -> None:
    (found,) = find_secrets(text)
    assert found.what.startswith("a secret, the value of ")
    assert BODY[:8] not in found.what
    assert BODY[:8] not in hide_secrets(text)
    (problem,) = secret_problems(text.encode(), file="w.yaml")
    assert BODY[:8] not in str(problem)


@pytest.mark.parametrize("text", INNOCENT)
def test_what_only_has_such_a_name_is_none(text: str) -> None:
    assert find_secrets(text) == []


@pytest.mark.parametrize("text", NO_KEYS)
def test_what_stands_for_a_key_is_none(text: str) -> None:
    assert find_secrets(text) == []


def test_a_key_within_another_find_is_told_once_and_hidden_whole() -> None:
    url = f"https://bot:ghp_{BODY[:36]}@github.com/org/repo"
    assert [one.what for one in find_secrets(url)] == ["a password in a URL (http...)"]
    assert hide_secrets(url) == "http...github.com/org/repo"


def test_every_key_of_a_line_is_hidden_though_few_are_told() -> None:
    keys = ["AK" + f"IA{number:016d}" for number in range(FINDS_MAX + 50)]
    line = " ".join([*keys, "npm_" + BODY[:36]])
    assert len(find_secrets(line)) == FINDS_MAX
    assert set(hide_secrets(line).split()) == {"AKIA...", "npm_..."}


def test_bytes_that_are_no_text_have_no_key_and_other_encodings_do() -> None:
    key = ("AK" + "IAIOSFODNN7EXAMPLE").encode()
    assert secret_problems(b"\x7fELF\0" + key, file="lib.so") == []
    assert len(secret_problems(b"caf\xe9 " + key, file="latin1.py")) == 1


def test_lines_are_counted_as_editors_do() -> None:
    key = "AK" + "IAIOSFODNN7EXAMPLE"
    assert find_secrets(f"\u2028\x0c\r\n\r{key}")[0][:2] == (3, 1)


@pytest.mark.slow
def test_ork_itself_and_the_examples_have_no_key() -> None:
    found = []
    for folder in ("ork", "examples", "docs", "tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*"):
            ours = not {"__pycache__", ".venv-peers"} & set(path.parts)
            if ours and path.is_file():
                found += secret_problems(path.read_bytes(), file=str(path))
    assert found == []


@pytest.mark.slow
def test_the_standard_library_has_no_key_outside_its_tests() -> None:
    folder = Path(sysconfig.get_paths()["stdlib"])
    found = []
    for path in sampled(sorted(folder.rglob("*.py")), one_in=10):
        # Its tests of URLs have passwords in URLs, made up but of the real form.
        if not {"site-packages", "test", "tests"} & set(path.relative_to(folder).parts):
            found += secret_problems(path.read_bytes(), file=str(path))
    assert found == []


URL = "a:" + "//b:c@"
HOSTILE = [
    "-----BEGIN ",
    "AKIA",
    "ghp_",
    "glpat-",
    "xoxb-",
    "sk-",
    "sk-ant-",
    "SG.",
    "eyJ",
    "eyJaaaaaaaaaa.eyJaaaa.",
    "://",
    "a://:",
    URL,
    URL + "d\n",
    "token",
    "TOKEN=",
    "token: {type: x, ",
    "password: " + "x" * 250 + "1 ",
    "API_KEY=" + "an" * 120 + "!1 ",
    "a",
    "\n",
]


@pytest.mark.slow
def test_a_hostile_text_takes_linear_time() -> None:
    # Quadratic would be hours, by day half a minute; the limit is the processor time of a process
    # of its own.
    letters, seconds = size(2**20, by_day=2**16), size(60, by_day=5)
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
from ork.definition.secrets import find_secrets, hide_secrets
for word in {HOSTILE!r}:
    for text in (word * ({letters} // len(word)), word + "a" * {letters}, word + "-" * {letters}):
        find_secrets(text)
        hide_secrets(text)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@settings(deadline=None)
@given(st.text(), st.sampled_from([key for _, key in ALL_KEYS]), st.text())
def test_a_key_set_apart_is_hidden_wherever_it_stands(before: str, key: str, after: str) -> None:
    text = f"{before} '{key}' {after}"
    assert find_secrets(text)
    assert key not in hide_secrets(text)


@settings(deadline=None)
@given(st.text(alphabet="AKIghpsk_-:/@.eyJ\n 0x"))
def test_any_text_is_searched_and_hiding_leaves_texts_without_keys_alone(text: str) -> None:
    if not find_secrets(text):
        assert hide_secrets(text) == text
