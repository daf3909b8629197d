import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from toolgate.model.secretref import Secret
from toolgate.secrets.redact import MIN_LENGTH, Redactor


def test_known_values_are_masked_in_text_and_bytes() -> None:
    redactor = Redactor([Secret("hunter2-long"), "otherone"])
    assert redactor.text("a hunter2-long b otherone") == "a *** b ***"
    assert redactor.bytes(b"a hunter2-long b") == b"a *** b"


def test_the_longer_of_two_overlapping_values_goes_first() -> None:
    assert Redactor(["secret", "secret-and-more"]).text("secret-and-more") == "***"


def test_short_values_are_left_alone() -> None:
    assert Redactor(["true", "8080", ""]).text("true 8080") == "true 8080"


def test_nothing_known_changes_nothing() -> None:
    assert Redactor([]).text("text") == "text"
    assert Redactor([]).bytes(b"text") == b"text"


def test_each_line_of_a_key_is_masked() -> None:
    redactor = Redactor(["-----BEGIN KEY-----\nMIIEvgIBADAN\n-----END KEY-----\n"])
    assert redactor.text("line: MIIEvgIBADAN") == "line: ***"


@given(st.text(min_size=MIN_LENGTH).filter(lambda text: len(text.strip()) >= MIN_LENGTH))
def test_a_value_is_found_as_json_and_urls_spell_it(value: str) -> None:
    redactor = Redactor([Secret(value)])
    assert redactor.text(f"<{value}>") == "<***>"
    assert redactor.text(json.dumps(value)) == '"***"'
    assert redactor.text(f"?q={quote(value, safe='')}") == "?q=***"
    assert repr(redactor) == "Redactor()"


def test_a_thousand_values_are_masked_in_one_pass() -> None:
    values = [f"value-{number:06}" for number in range(1000)]
    assert Redactor(values).text(" ".join(values)) == " ".join(["***"] * 1000)
