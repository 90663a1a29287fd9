"""Wrong calls get an answer that names the argument, the value and a way out: the table of the documentation."""

import pytest
import wrong_calls


def test_there_are_forty_at_least():
    assert len(wrong_calls.CALLS) >= 40


@pytest.mark.parametrize(("call", "words"), [(call, words) for call, *words in wrong_calls.CALLS])
def test_a_wrong_call_is_told_what_is_wrong(call, words):
    _, text = wrong_calls.answer(call)
    for word in words:
        assert word in text
    assert len(text) < 500
    assert "\n" not in text


def test_the_page_holds_every_answer():
    page = wrong_calls.page()
    assert all(f"`{call}`" in page for call, *_ in wrong_calls.CALLS)
