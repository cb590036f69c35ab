"""Work beside the main thread: in order, with its errors, and none of it forgotten."""

import threading

import pytest

from imtrans.host.background import AHEAD, Background


@pytest.fixture
def background():
    found = Background()
    yield found
    found.close()


def test_work_is_done_in_order_in_another_thread_and_ended_in_this_one(background):
    done, ended = [], []
    for number in range(20):
        background.do(
            lambda n=number: done.append((n, threading.current_thread())),
            lambda n=number: ended.append((n, threading.current_thread())),
        )
    background.wait()
    here = threading.current_thread()
    assert [n for n, _ in done] == [n for n, _ in ended] == list(range(20))
    assert all(thread is not here for _, thread in done)
    assert all(thread is here for _, thread in ended)


def test_the_main_thread_goes_on_until_too_much_is_pending(background):
    gate, reached = threading.Event(), []
    for number in range(AHEAD):
        background.do(gate.wait, lambda n=number: reached.append(n))
    background.poll()  # waits for nothing
    assert reached == []

    def more():
        background.do(lambda: None)
        reached.append("queued")

    other = threading.Thread(target=more)
    other.start()
    other.join(0.2)
    assert reached == []  # what waits is held in memory
    gate.set()
    other.join()
    background.wait()
    assert reached[0] == "queued"
    assert reached[1:] == list(range(AHEAD))


def test_what_follows_a_failure_is_not_done_and_the_failure_is_told_once(background):
    done = []
    gate = threading.Event()

    def failing():
        gate.wait()
        raise OSError("no space")

    background.do(failing)
    background.do(lambda: done.append("after"))
    gate.set()
    with pytest.raises(OSError, match="no space"):
        background.wait()
    background.poll()
    background.wait()
    assert done == []


def test_after_a_failure_all_is_done_again_in_its_order(background):
    done, full = [], [True]

    def first():
        if full[0]:
            raise OSError("no space")
        done.append("first")

    background.do(first, lambda: done.append("first ended"))
    background.do(lambda: done.append("second"))
    with pytest.raises(OSError, match="no space"):
        background.wait()
    background.again()
    with pytest.raises(OSError, match="no space"):  # it is still full
        background.wait()
    full[0] = False
    background.again()
    background.wait()
    assert [each for each in done if each != "first ended"] == ["first", "second"]
    background.again()
    background.wait()
    assert done.count("first") == 1


def test_work_that_comes_while_something_has_failed_is_kept_with_it(background):
    done = []
    background.do(lambda: 1 / 0)
    while not background._pending[0].ending.done():
        pass
    background.do(lambda: done.append("best"))  # says nothing: its caller has noted it already
    with pytest.raises(ZeroDivisionError):
        background.wait()
    assert done == []
    with pytest.raises(ZeroDivisionError):
        retry(background)
    assert done == []


def retry(background):
    background.again()
    background.wait()
