"""Serial numbers are checked before anybody looks for them."""

import pytest
from firstboot_acme.serials import check_digit, checked_serial


def test_the_check_digit_is_luhns() -> None:
    # The worked example of ISO/IEC 7812-1.
    assert check_digit("7992739871") == 3


@pytest.mark.parametrize("serial", ["AC100000-9", "AC104217-5"])
def test_a_good_serial_number_is_taken_as_it_is(serial: str) -> None:
    assert checked_serial(serial) == serial


@pytest.mark.parametrize("position", range(2, 8))
def test_one_misread_digit_is_noticed(position: int) -> None:
    good = "AC104217-5"

    for digit in set("0123456789") - {good[position]}:
        with pytest.raises(ValueError, match="check digit"):
            checked_serial(good[:position] + digit + good[position + 1 :])


@pytest.mark.parametrize(
    "text", ["", "AC104217", "AC104217-", "ac104217-5", "AC10421-5", " AC104217-5", "AC104217-5\n", "AC１04217-5"]
)
def test_what_is_no_serial_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a serial number is"):
        checked_serial(text)
