"""The raters' page in a real browser. The rater is simulated: a program that presses keys."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.listening.browser import Browser, running_browser
from tests.listening.conftest import folders_of, settings
from v2a_lightning.listening import building
from v2a_lightning.listening.answers import read_answers
from v2a_lightning.listening.key import Key

RATER = "simulated-1"
HEARD = "[...document.querySelectorAll('#players .mark')].every(mark => mark.textContent === 'heard')"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as one:
        one.resize(1200, 800)
        yield one


@pytest.fixture(scope="module")
def small(sounds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Key]:
    """A page in one file: two systems, two clips, one of them with anchors; 6 sounds and 3 pairs."""
    output = tmp_path_factory.mktemp("small") / "page.html"
    folders = folders_of(sounds_folder, "quartz", "pumice")
    page, _, key = building.build_test(folders, settings(clips=2, anchors=1), output)
    return page, key


def shown(screen: str) -> str:
    return f"!document.getElementById('{screen}').hidden"


def begin(browser: Browser, page: Path, rater: str) -> None:
    """From opening the page to the first sound."""
    browser.open(page, f"#rater={rater}")
    browser.press("Enter")
    browser.wait_for(shown("volume"))
    browser.press(" ")
    browser.wait_for("document.querySelector('#volume-player .mark').textContent === 'heard'")
    browser.press("Enter")
    browser.wait_for(shown("part"))
    browser.press("Enter")
    browser.wait_for(shown("trial"))


def title(browser: Browser) -> str:
    return browser.text("#trial-title")


def rate(browser: Browser, fidelity: str, relevance: str) -> None:
    """Hear, rate twice, go on."""
    before = title(browser)
    browser.press(" ")
    browser.wait_for(HEARD)
    browser.press(fidelity, relevance, "Enter")
    browser.wait_for(f"{shown('part')} || document.getElementById('trial-title').textContent !== {before!r}")


def test_a_rater_takes_the_whole_test_with_the_keyboard(
    browser: Browser, small: tuple[Path, Key], tmp_path: Path
) -> None:
    page, key = small
    begin(browser, page, RATER)
    assert browser.text("#simulated") == "simulated rater"
    assert browser.evaluate("!document.getElementById('simulated').hidden")
    assert title(browser) == "Sound 1 of 9"

    # Nobody goes on before the sound was heard, whatever was rated.
    browser.press("4", "2", "Enter")
    assert title(browser) == "Sound 1 of 9"
    assert browser.text("#problem") == "Listen to the sound to its end first."
    assert browser.evaluate("document.getElementById('next').getAttribute('aria-disabled')") == "true"
    browser.press(" ")
    browser.wait_for(HEARD)
    assert browser.evaluate("document.getElementById('next').getAttribute('aria-disabled')") == "false"
    assert browser.evaluate("document.querySelector('video').muted")
    browser.press("Enter")
    assert title(browser) == "Sound 2 of 9"

    # Nor before both questions are answered; and a sound stopped half way was not heard.
    browser.press(" ", " ", "3", "Enter")
    assert browser.text("#problem") == "Listen to the sound to its end first."
    browser.press(" ")
    browser.wait_for(HEARD)
    browser.press("Enter")
    assert browser.text("#problem") == "Still open: How well does it fit the picture?"

    # Arrows move along the scale and between the questions; the focus can be seen.
    browser.press("ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft")
    chosen = "[...document.querySelectorAll('input:checked')].map(input => input.name + input.value).join()"
    assert browser.evaluate(chosen) == "fidelity2,relevance2"
    assert browser.evaluate("document.activeElement.name + document.activeElement.value") == "fidelity2"
    assert browser.evaluate("getComputedStyle(document.activeElement.parentElement).outlineStyle") == "solid"
    browser.press("Enter")
    assert title(browser) == "Sound 3 of 9"

    # After a reload the test goes on where it was; going back shows what was answered.
    browser.open(page, f"#rater={RATER}")
    assert browser.text("#begin") == "Go on: 2 of 9 are done"
    browser.press("Enter")
    browser.wait_for(shown("trial"))
    assert title(browser) == "Sound 3 of 9"
    assert not browser.evaluate("document.querySelector('.play').classList.contains('playing')")
    browser.press("Backspace")
    assert browser.evaluate(chosen) == "fidelity2,relevance2"
    browser.press("Enter")
    for _ in range(4):
        rate(browser, "5", "1")
    assert browser.text("#part-title") == "Which of two?"
    browser.press("Enter")

    for place in range(3):
        assert title(browser) == f"Pair {7 + place} of 9"
        browser.press("a")
        browser.wait_for("document.querySelector('#players .mark').textContent === 'heard'")
        browser.press("1", "Enter")
        assert browser.text("#problem") == "Listen to both sounds to their end first."
        browser.press("b")
        browser.wait_for(HEARD)
        browser.press("Enter")
    browser.wait_for(shown("done"))
    assert browser.evaluate("document.getElementById('progress').getAttribute('aria-valuenow')") == "100"

    browser.save_downloads_to(tmp_path)
    browser.evaluate("document.getElementById('save').click()")
    saved = tmp_path / f"answers-{key.test}-{RATER}.json"
    browser.wait_for(f"document.getElementById('saved').textContent.includes('{saved.name}')")
    _wait_for_file(browser, saved)
    content = json.loads(saved.read_text())
    assert (content["simulated"], content["complete"], content["trials"]) == (True, True, 9)
    responses = read_answers([saved], key)
    ratings = [(answer["fidelity"], answer["relevance"]) for answer in content["answers"][:6]]
    assert ratings == [(4, 2), (2, 2), (5, 1), (5, 1), (5, 1), (5, 1)]
    assert len(responses.choices) == 3
    assert all(answer["chosen"] == answer["sounds"][0] for answer in content["answers"][6:])
    assert all(answer["plays"] >= 1 and answer["milliseconds"] > 500 for answer in content["answers"])
    assert browser.problems == []
    assert not [url for url in browser.requests if not url.startswith(("file:", "data:", "blob:", "about:"))]


def _wait_for_file(browser: Browser, path: Path) -> None:
    for _ in range(200):
        if path.is_file():
            return
        browser.evaluate("new Promise(done => setTimeout(done, 50))")
    raise AssertionError(f"{path.name} was not saved")


def test_every_rater_has_an_order_and_keeps_it(browser: Browser, built: tuple[Path, Path, Key]) -> None:
    script = (Path(building.__file__).parent / "page" / "order.js").read_text()
    browser.open(built[0])
    draw = f"(() => {{ {script}; const content = JSON.parse(document.getElementById('content').textContent);"
    raters = [f"rater-{number}" for number in range(40)]
    orders = browser.evaluate(f"{draw} return {json.dumps(raters)}.map(rater => drawTrials(content, rater)); }})()")
    again = browser.evaluate(f"{draw} return {json.dumps(raters)}.map(rater => drawTrials(content, rater)); }})()")
    key = built[2]
    assert orders == again
    assert len({json.dumps(order) for order in orders}) == 40
    for order in orders:
        ratings = [trial for trial in order if trial["kind"] == "rating"]
        assert {trial["key"] for trial in ratings} == set(key.sounds)
        # A clip of more than half of the sounds follows itself as often as it must, and no clip oftener.
        most = max(Counter(trial["clip"] for trial in ratings).values())
        least = max(0, 2 * most - len(ratings) - 1)
        assert sum(one["clip"] == two["clip"] for one, two in pairwise(ratings)) == least
    # Every block is somebody's, and A is each of the two about equally often.
    pairs = [trial["sounds"] for order in orders for trial in order if trial["kind"] == "pair"]
    assert {tuple(sorted(pair)) for pair in pairs} == {pair for block in key.blocks for pair in block}
    assert 0.38 < sum(pair == sorted(pair) for pair in pairs) / len(pairs) < 0.62


def test_a_folder_opens_too_and_a_sound_that_cannot_be_played_is_passed(
    browser: Browser, sounds_folder: Path, tmp_path: Path
) -> None:
    folders = folders_of(sounds_folder, "quartz", "pumice")
    page, _, key = building.build_test(folders, settings(clips=2, anchors=0), tmp_path / "out")
    for code in key.sounds:
        (page.parent / "media" / f"{code}.flac").write_bytes(b"broken")
    begin(browser, page, "simulated-2")
    browser.wait_for("document.querySelector('#players .mark').textContent === 'cannot be played'")
    browser.press("Enter")
    assert title(browser) == "Sound 2 of 6"


def test_the_page_fits_a_phone_and_the_dark(browser: Browser, small: tuple[Path, Key]) -> None:
    begin(browser, small[0], "simulated-3")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = browser.evaluate(colour)
    for width in (360, 820, 1600):
        browser.resize(width, 740, dark=True)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(colour) != light
    browser.resize(1200, 800)


def test_what_a_screen_reader_is_told(browser: Browser, small: tuple[Path, Key]) -> None:
    begin(browser, small[0], "simulated-4")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    named = {
        (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
    }
    assert {
        ("radiogroup", "How good is the sound itself?"),
        ("radiogroup", "How well does it fit the picture?"),
        ("radio", "1 Bad"),
        ("radio", "5 Fully"),
        ("progressbar", "Progress through the test"),
        ("heading", "Sound 1 of 9"),
    } <= named
    assert any(role in ("button", "toggleButton", "ToggleButton") and name == "Play" for role, name in named)
