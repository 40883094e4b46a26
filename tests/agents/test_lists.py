"""Lists made in threads: the collector stays off meanwhile and the interpreter is handed on often."""

import gc
import sys

import pytest

from agents.lists import Quietly, listed


def test_the_collector_is_off_until_the_last_is_done() -> None:
    """However they overlap; and it stays off for who had it off."""
    off, usual = Quietly(), sys.getswitchinterval()
    assert gc.isenabled()
    with off:
        with off:
            assert not gc.isenabled()
        assert not gc.isenabled()
        assert sys.getswitchinterval() < usual
    assert gc.isenabled()
    assert sys.getswitchinterval() == usual
    gc.disable()
    try:
        with off:
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_it_comes_back_after_an_error() -> None:
    """Whatever is raised."""
    with pytest.raises(ZeroDivisionError), Quietly():
        raise ZeroDivisionError
    assert gc.isenabled()


def test_what_is_no_rule_is_left_out() -> None:
    """The rest is a list."""
    assert listed(["heck", "x", "/(/"]).rules == ("heck",)
