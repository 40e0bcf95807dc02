"""Wrong inputs are refused with one line, and docs/errors.md shows these lines."""

import error_cases
import pytest


@pytest.mark.parametrize("case", error_cases.CASES, ids=lambda case: f"{case.section}: {case.wrong}")
def test_a_wrong_input_is_one_line_that_says_what_to_do(case):
    told = error_cases.message(case)
    assert "\n" not in told and 20 < len(told) < 500
    assert "Traceback" not in told


def test_the_page_shows_what_is_printed():
    assert len(error_cases.CASES) >= 50
    assert error_cases.PAGE.read_text(encoding="utf-8") == error_cases.page(), "make errors-page"
