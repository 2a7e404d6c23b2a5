"""The built site in a real browser: anyone can read and operate it, and nobody is tracked."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from pypdf import PdfReader

from chromium import ARGUMENTS, found
from conftest import NODE_MODULES, need
from site_server import served
from telemetry.records import claims

AXE = NODE_MODULES / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE = ViewportSize(width=360, height=740)
DESKTOP = ViewportSize(width=1280, height=800)
COLOURS = ("light", "dark", "forced")
MAIN = [(360, "light"), (1280, "dark")]
OTHERS = [(w, c) for w in (360, 768, 1280) for c in COLOURS if (w, c) not in MAIN]
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def root(site: Path) -> Iterator[str]:
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def addresses(site: Path, root: str) -> list[str]:
    """The address of each page, and of a search that finds something."""
    names = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    assert "telemetry.html" in names
    return [f"{root}{name}" for name in [*names, "search.html?q=telemetry"]]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    need("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context(viewport=DESKTOP) as context:
        yield context.new_page()


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context(viewport=PHONE, has_touch=True) as context:
        yield context.new_page()


def visit(page: Page, address: str) -> None:
    page.goto(address)
    if "?q=" in address:
        page.locator("#search-results li a").first.wait_for()


def look(page: Page, width: int, colours: str) -> None:
    """Change the page's width and colours without loading it again."""
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(
        color_scheme="dark" if colours == "dark" else "light",
        forced_colors="active" if colours == "forced" else "none",
        # In the middle of a transition, colours would count as too faint.
        reduced_motion="reduce",
    )


def violations(page: Page) -> list[str]:
    need("axe-core")
    page.evaluate(AXE.read_text("utf-8"))
    result = page.evaluate("tags => axe.run({runOnly: tags, resultTypes: ['violations']})", TAGS)
    return [
        f"{page.url}: {violation['id']}: {node['target']}: {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("views", [MAIN, pytest.param(OTHERS, marks=slow)], ids=["main", "others"])
def test_every_page_is_accessible(
    page: Page, addresses: list[str], views: list[tuple[int, str]]
) -> None:
    findings = []
    for address in addresses:
        visit(page, address)
        for view in views:
            look(page, *view)
            findings += [f"{view}: {finding}" for finding in violations(page)]
    assert not findings, "\n".join(findings)


TOO_WIDE = """[...document.querySelectorAll("html, body, .wy-nav-content-wrap *")]
    .filter(element => element.checkVisibility({checkVisibilityCSS: true, checkOpacity: true}))
    .filter(element => element.getBoundingClientRect().right > innerWidth + 0.5
        || (element instanceof HTMLElement && element.scrollWidth > innerWidth))
    .map(element => `${element.tagName} ${element.className}: ${element.textContent}`)
    .map(text => text.trim().slice(0, 80))"""


def test_nothing_is_wider_than_a_phone(phone: Page, addresses: list[str]) -> None:
    findings = []
    for address in addresses:
        visit(phone, address)
        findings += [f"{address}: {text}" for text in phone.evaluate(TOO_WIDE)]
    assert not findings, "\n".join(findings)


def test_the_answers_fit_on_one_screen_and_a_phone_scrolls_no_further_than_it_must(
    page: Page, root: str
) -> None:
    page.goto(f"{root}telemetry.html")
    page.set_viewport_size({"width": 1280, "height": 900})
    heading = page.get_by_role("heading", name="What is sent")
    assert heading.evaluate("heading => heading.getBoundingClientRect().bottom") <= 900
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollHeight") < 11_000


@slow
def test_pages_follow_the_colours_of_the_system(page: Page, root: str) -> None:
    ink, ground = (f"getComputedStyle(document.body).{name}" for name in ("color", "background"))
    page.goto(root)
    look(page, 1280, "light")
    light, black = page.evaluate(ground), page.evaluate(ink)
    look(page, 1280, "dark")
    assert page.evaluate(ground) != light
    page.emulate_media(media="print")
    assert page.evaluate(ink) == black
    # Until its style sheets arrive, a dark page has the browser's own ink, white on black.
    page.emulate_media(media="screen", color_scheme="dark")
    page.route("**/*.css*", lambda route: route.abort())
    page.reload()
    assert page.evaluate(ink) == "rgb(255, 255, 255)"


@slow
def test_nothing_moves_for_those_who_asked_for_that(page: Page, root: str) -> None:
    moving = """[...document.querySelectorAll("*")].flatMap(element =>
        [null, "::before", "::after"].map(part => getComputedStyle(element, part))
    ).some(style => style.animationName !== "none" || /[1-9]/.test(style.transitionDuration))"""
    page.goto(f"{root}telemetry.html")
    assert page.evaluate(moving), "nothing would move anyway"
    page.emulate_media(reduced_motion="reduce")
    assert not page.evaluate(moving)


@slow
def test_a_table_shown_as_cards_is_still_a_table(page: Page, root: str) -> None:
    session = page.context.new_cdp_session(page)
    roles = []
    page.goto(f"{root}telemetry.html")
    for width, display in (1280, "table-cell"), (360, "block"):
        look(page, width, "light")
        cell = page.locator(".telemetry-table td").first
        assert cell.evaluate("cell => getComputedStyle(cell).display") == display
        # What the browser tells a screen reader; the tags stay the same if CSS removes a role.
        tree = session.send("Accessibility.getFullAXTree")
        roles.append(Counter(node.get("role", {}).get("value") for node in tree["nodes"]))
    for role in ("row", "rowheader", "columnheader", "cell"):
        assert roles[0][role] == roles[1][role] > 0


@slow
def test_the_telemetry_page_prints_whole(page: Page, root: str) -> None:
    page.set_viewport_size({"width": 672, "height": 1000})  # A4 at 96 dpi, within its margins
    page.emulate_media(media="print")
    page.goto(f"{root}telemetry.html")
    assert page.evaluate(TOO_WIDE) == []
    links = page.evaluate("[...document.querySelectorAll('a.external')].map(link => link.href)")
    names = page.locator("tbody tr[id] th").all_text_contents()
    printed = PdfReader(BytesIO(page.pdf(format="A4")))
    text = re.sub(r"\s", "", "".join(sheet.extract_text() for sheet in printed.pages))
    assert links
    assert names
    assert [item for item in [*links, *names] if item not in text] == []
    assert "Filterfields" not in text


def test_the_keyboard_reaches_the_skip_link_and_works_the_phone_menu(
    phone: Page, root: str
) -> None:
    session = phone.context.new_cdp_session(phone)

    def told_open() -> bool:
        """Whether a screen reader says that the button has the focus and its menu is open."""
        for node in session.send("Accessibility.getFullAXTree")["nodes"]:
            if node.get("name", {}).get("value") == "Menu":
                told = {each["name"]: each["value"]["value"] for each in node["properties"]}
                return bool(told["focused"] and told["expanded"])
        raise AssertionError("there is no menu")

    focused, menu = phone.locator("*:focus"), phone.locator("#menu")
    phone.goto(f"{root}telemetry.html")
    phone.keyboard.press("Tab")
    assert focused.text_content() == "Skip to the content"
    expect(focused).to_be_in_viewport(ratio=1)
    # The side bar and the closed menu must not take the focus.
    phone.keyboard.press("Tab")
    assert focused.get_attribute("aria-label") == "Menu"
    assert (menu.is_visible(), told_open()) == (False, False)
    phone.keyboard.press("Enter")
    assert (menu.is_visible(), told_open()) == (True, True)
    for _ in range(2):
        phone.keyboard.press("Tab")
        assert menu.locator("*:focus").is_visible()
    phone.keyboard.press("Escape")
    assert (menu.is_visible(), told_open()) == (False, False)
    assert focused.get_attribute("aria-label") == "Menu"
    phone.keyboard.press("Shift+Tab")
    phone.keyboard.press("Enter")
    assert phone.evaluate("document.activeElement.id") == "content"


@slow
def test_the_open_phone_menu_is_accessible_and_a_link_to_a_section_closes_it(
    phone: Page, root: str
) -> None:
    phone.goto(f"{root}telemetry.html")
    phone.get_by_role("button", name="Menu").click()
    assert violations(phone) == []
    phone.locator("#menu").get_by_role("link", name="Whom to ask").click()
    assert phone.locator("#menu").is_hidden()
    expect(phone.locator("#whom-to-ask h2")).to_be_in_viewport(ratio=1)


@slow
def test_whatever_can_be_focused_shows_it(page: Page, addresses: list[str]) -> None:
    reachable = """[...document.querySelectorAll("a[href], button, input, select")].filter(
        element => element.type !== "hidden" && element.checkVisibility({checkVisibilityCSS: true})
    ).length"""
    outlined = """() => {
        const {outlineStyle, outlineWidth} = getComputedStyle(document.activeElement);
        document.activeElement.dataset.reached = "";
        return outlineStyle === "solid" && parseFloat(outlineWidth) >= 2;
    }"""
    for address in addresses:
        # A fresh page: a browser may carry on from where the last one had its focus.
        fresh = page.context.new_page()
        visit(fresh, address)
        expected = fresh.evaluate(reachable)
        for _ in range(expected):
            fresh.keyboard.press("Tab")
            assert fresh.evaluate(outlined), (address, fresh.locator("*:focus").all_inner_texts())
        assert fresh.locator("[data-reached]").count() == expected, address
        fresh.close()


@slow
def test_without_scripts_there_is_a_menu_and_no_filter(chromium: Browser, root: str) -> None:
    with chromium.new_context(viewport=PHONE, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{root}telemetry.html")
        page.get_by_role("button", name="Menu").click()
        expect(page.locator("#menu li a").first).to_be_in_viewport(ratio=1)
        assert not page.get_by_text("Filter fields").count()
        assert page.evaluate(TOO_WIDE) == []


@slow
def test_copy_buttons_copy_the_command_without_its_prompt(page: Page, root: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{root}switch-off.html")
    blocks = page.locator(".highlight-console", has_not_text="\\").all()
    assert blocks
    for block in blocks:
        button = block.get_by_role("button")
        button.focus()
        assert button.evaluate("button => getComputedStyle(button).opacity") == "1"
        page.keyboard.press("Enter")
        block.locator("button.success").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()").splitlines()
        shown = block.locator("pre").inner_text().splitlines()
        # Omitted output leaves an empty line, which a shell ignores.
        assert [line for line in copied if line] == [
            line[2:] for line in shown if line.startswith(("$ ", "> ", "# "))
        ]


@slow
def test_statements_are_filtered_by_verdict(page: Page, root: str) -> None:
    verdicts = Counter(claim.verdict for claim in claims.load().claims)
    page.goto(f"{root}verification.html")
    shown = page.locator("section.claim:visible")
    for verdict, count in verdicts.items():
        page.get_by_label("Verdict").select_option(verdict)
        assert shown.count() == count
        told = page.get_by_role("status").inner_text()
        assert told == f"{count} of {verdicts.total()} statements"


@slow
def test_the_filter_keeps_its_state_in_the_address_and_a_link_shows_what_it_leads_to(
    page: Page, root: str
) -> None:
    address = f"{root}telemetry.html"
    page.goto(address)
    # Folded rows count as well.
    rows = page.locator("table.telemetry-table tbody tr:not([hidden])")
    box, category = page.get_by_label("Filter fields"), page.get_by_label("Category")
    count, every = page.get_by_role("status"), rows.count()
    assert count.inner_text() == f"{every} of {every} rows"

    category.select_option(index=1)
    in_category = rows.count()
    box.fill("VERSION")
    found = rows.count()
    assert 0 < found < in_category < every
    assert all("version" in text.lower() for text in rows.all_inner_texts())
    assert count.inner_text() == f"{found} of {every} rows"
    headings = page.locator("section:has(table.telemetry-table):not(:has(section)) > h3:visible")
    assert headings.count() == 1, "a category without rows keeps its heading"

    page.reload()
    assert (box.input_value(), rows.count()) == ("VERSION", found)
    box.press("Escape")
    assert (page.url, rows.count()) == (address, every)
    page.go_back()
    assert (box.input_value(), rows.count()) == ("VERSION", found)
    page.go_back()
    assert (box.input_value(), rows.count()) == ("", every)

    box.fill("no such field")
    assert (rows.count(), count.inner_text()) == (0, f"0 of {every} rows")
    hidden = page.locator("table.telemetry-table tbody tr[id]").last
    page.evaluate("id => { location.hash = id }", hidden.get_attribute("id"))
    hidden.wait_for()
    page.get_by_role("button", name="Clear").click()
    assert rows.count() == every
    assert page.evaluate("document.activeElement.name") == "words"
    page.goto(f"{root}options.html#envvar-NETRC")
    page.locator("#envvar-NETRC").wait_for()


@slow
def test_a_page_that_is_not_there_leads_on_from_any_depth(page: Page, root: str) -> None:
    answers: list[tuple[str, int]] = []
    page.on("response", lambda response: answers.append((response.url, response.status)))
    missing = f"{root}a/b/missing.html"
    page.goto(missing, wait_until="networkidle")
    page.get_by_role("link", name="Telemetry", exact=True).click()
    page.wait_for_url("**/telemetry.html")
    assert [url for url, status in answers if status != 200] == [missing]


def test_pages_ask_no_other_host_keep_nothing_and_do_not_complain(
    page: Page, root: str, addresses: list[str]
) -> None:
    kept = "Object.keys(localStorage).length + Object.keys(sessionStorage).length"
    findings, asked = list[str](), set[str]()
    page.on("pageerror", lambda error: findings.append(f"{page.url}: {error}"))
    page.on("console", lambda message: findings.append(f"{page.url}: {message.text}"))
    page.on("request", lambda request: asked.add(request.url))
    for address in addresses:
        visit(page, address)
        if page.evaluate(kept):
            findings.append(f"{page.url}: something was stored in the browser")
    findings += [f"cookie: {cookie}" for cookie in page.context.cookies()]
    findings += [f"another host was asked: {url}" for url in asked if not url.startswith(root)]
    assert not findings, "\n".join(findings)


def test_the_policy_comes_first_and_allows_the_scripts_of_the_theme_alone(site: Path) -> None:
    hashes = set()
    policies = set()
    for path in site.rglob("*.html"):
        html = path.read_text(encoding="utf-8")
        before, policy = re.split(r'http-equiv="Content-Security-Policy" content="', html)
        assert not re.search("<script|<style|<link", before), path
        policies.add(policy.partition('"')[0])
        for script in re.findall("<script>(.+?)</script>", html, re.DOTALL):
            assert re.search("SphinxRtdTheme|Search.loadIndex", script), path
            digest = hashlib.sha256(script.encode()).digest()
            hashes.add(f"'sha256-{base64.b64encode(digest).decode()}'")
    [policy] = policies
    assert policy.split(";")[0].strip() == "default-src 'none'"
    assert set(re.findall("'sha256-[^']*'", policy)) == hashes


def test_the_telemetry_page_is_light(page: Page, root: str) -> None:
    page.goto(f"{root}telemetry.html", wait_until="networkidle")
    requests = page.requests()
    sizes = [request.sizes() for request in requests]
    assert len(requests) <= 16
    assert sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes) <= 120_000
    assert not [request for request in requests if "/fonts/" in request.url]
