"""The built site in a real browser: anybody can read and operate it, and nobody is watched."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    sync_playwright,
)
from pypdf import PdfReader

from site_server import served

AXE = Path(__file__).parent / "browser" / "node_modules" / "axe-core" / "axe.min.js"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page that asks for another host must fail the test, not reach that host.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
PHONE = ViewportSize(width=360, height=740)
DESKTOP = ViewportSize(width=1280, height=800)
COLOURS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "forced": {"forced_colors": "active"},
}


@pytest.fixture(scope="module")
def addresses(site: Path) -> Iterator[list[str]]:
    """Serve the site and give the address of each of its pages."""
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    assert pages, f"no page in {site}: build the site first"
    with served(site) as root:
        yield [f"{root}{page}" for page in pages]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    if executable is None:
        pytest.fail("chromium is missing: apt-get install chromium", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.is_file():
        pytest.fail("axe-core is missing: make browser", pytrace=False)
    return AXE.read_text(encoding="utf-8")


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context(viewport=PHONE, has_touch=True) as context:
        yield context.new_page()


def violations(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    result = page.evaluate(
        "tags => axe.run({runOnly: tags, resultTypes: ['violations']})", STANDARDS
    )
    return [
        f"{page.url}: {violation['id']}: {node['target']}: {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_every_page_is_accessible(
    chromium: Browser, axe: str, addresses: list[str], width: int, colours: str
) -> None:
    viewport = ViewportSize(width=width, height=800)
    with chromium.new_context(viewport=viewport, **COLOURS[colours]) as context:
        page = context.new_page()
        findings = []
        for address in addresses:
            page.goto(address)
            findings += violations(page, axe)
    assert not findings, "\n".join(findings)


def test_the_open_phone_menu_is_accessible(phone: Page, axe: str, addresses: list[str]) -> None:
    phone.goto(addresses[0])
    phone.get_by_role("button", name="Menu").click()
    findings = violations(phone, axe)
    assert not findings, "\n".join(findings)


def test_pages_follow_the_colours_of_the_system(chromium: Browser, addresses: list[str]) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(addresses[0])
        grounds = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.emulate_media(color_scheme="dark", media="print")
        grounds.append(page.evaluate("getComputedStyle(document.body).color"))
        page.emulate_media(color_scheme="light", media="print")
        grounds.append(page.evaluate("getComputedStyle(document.body).color"))
    light, dark, dark_ink_on_paper, ink_on_paper = grounds
    assert light != dark
    assert dark_ink_on_paper == ink_on_paper


def test_pages_ask_no_other_host_and_keep_nothing(chromium: Browser, addresses: list[str]) -> None:
    findings: list[str] = []
    kept = "Object.keys(localStorage).length + Object.keys(sessionStorage).length"

    def complain(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            findings.append(f"{page.url}: {message.text}")

    with chromium.new_context() as context:
        page = context.new_page()
        page.on("pageerror", lambda error: findings.append(f"{page.url}: {error}"))
        page.on("console", complain)
        requests: set[str] = set()
        page.on("request", lambda request: requests.add(request.url))
        origin = "/".join(addresses[0].split("/")[:3])
        for address in [*addresses, f"{origin}/search.html?q=telemetry"]:
            page.goto(address, wait_until="networkidle")
            if page.evaluate(kept):
                findings.append(f"{page.url}: something was stored in the browser")
        findings += [f"cookie: {cookie}" for cookie in context.cookies()]
    findings += [f"another host was asked: {url}" for url in requests if not local(url, origin)]
    assert not findings, "\n".join(findings)


def test_the_content_security_policy_is_in_force(chromium: Browser, addresses: list[str]) -> None:
    intrusions = {
        "script-src-elem": "element('script', {textContent: 'window.intruded = true'})",
        "script-src-attr": "element('img', {src: 'missing.png'}, {onerror: 'intruded = true'})",
        "style-src-elem": "element('style', {textContent: 'body { display: none }'})",
        "img-src": "element('img', {src: 'http://127.0.0.2/pixel.png'})",
        "connect-src": "fetch('http://127.0.0.2/').catch(() => {})",
        "form-action": "element('form', {action: 'http://127.0.0.2/'}).submit()",
    }
    element = """const element = (name, properties, attributes = {}) => {
        const made = document.body.appendChild(document.createElement(name));
        Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
        return Object.assign(made, properties);
    };"""
    with chromium.new_context() as context:
        for address in addresses:
            page = context.new_page()
            page.goto(address)
            for directive, intrusion in intrusions.items():
                blocked = page.evaluate(
                    f"""() => new Promise(blocked => {{
                        {element}
                        document.addEventListener(
                            "securitypolicyviolation",
                            event => blocked(event.effectiveDirective),
                            {{once: true}},
                        );
                        {intrusion};
                        setTimeout(() => blocked("nothing was blocked"), 5000);
                    }})"""
                )
                assert blocked == directive, address
            assert page.evaluate("window.intruded") is None, address
            page.close()


def test_a_page_that_is_not_there_leads_on_from_any_depth(
    chromium: Browser, addresses: list[str]
) -> None:
    origin = "/".join(addresses[0].split("/")[:3])
    with chromium.new_context() as context:
        page = context.new_page()
        answers: dict[str, int] = {}
        page.on("response", lambda response: answers.update({response.url: response.status}))
        missing = f"{origin}/a/b/missing.html"
        page.goto(missing, wait_until="networkidle")
        page.get_by_role("link", name="Telemetry", exact=True).click()
        page.wait_for_url("**/telemetry.html")
    assert [url for url, status in answers.items() if status != 200] == [missing]


def test_the_telemetry_page_is_light(chromium: Browser, addresses: list[str]) -> None:
    [address] = [address for address in addresses if address.endswith("/telemetry.html")]
    requests: list[str] = []
    sizes: list[int] = []
    with chromium.new_context() as context:
        page = context.new_page()
        session = context.new_cdp_session(page)
        page.on("request", lambda request: requests.append(request.url))
        session.on(
            "Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"])
        )
        session.send("Network.enable")
        page.goto(address, wait_until="networkidle")
    assert len(sizes) == len(requests)
    assert len(requests) <= 14
    assert sum(sizes) <= 120_000


def local(url: str, origin: str) -> bool:
    return url.startswith((f"{origin}/", "data:"))


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_nothing_is_wider_than_a_phone(
    chromium: Browser, addresses: list[str], scripts: bool
) -> None:
    # The theme cuts off what sticks out at the right: there would be no scroll bar to ask for.
    too_wide = """[...document.querySelectorAll("body, .wy-nav-content-wrap *")]
        .filter(element => element.checkVisibility({checkVisibilityCSS: true, checkOpacity: true}))
        .filter(element => element.getBoundingClientRect().right > innerWidth + 0.5
            || (element instanceof HTMLElement && element.scrollWidth > innerWidth))
        .map(element => `${element.tagName} ${element.className}: ${element.textContent}`)
        .map(text => text.trim().slice(0, 80))"""
    findings = []
    with chromium.new_context(viewport=PHONE, java_script_enabled=scripts) as context:
        page = context.new_page()
        for address in addresses:
            page.goto(address)
            findings += [f"{address}: {text}" for text in page.evaluate(too_wide)]
    assert not findings, "\n".join(findings)


def test_without_scripts_a_phone_still_shows_the_menu(
    chromium: Browser, addresses: list[str]
) -> None:
    with chromium.new_context(viewport=PHONE, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(addresses[0])
        link = page.locator(".wy-menu-vertical a").first
        link.scroll_into_view_if_needed()
        box = link.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert not page.locator(".menu-button").is_visible()


def test_the_keyboard_reaches_the_skip_link_and_works_the_phone_menu(
    phone: Page, addresses: list[str]
) -> None:
    menu_has_focus = "document.activeElement.closest('.wy-nav-side') !== null"
    for address in addresses:
        # A page of its own: where the last one had its focus, a browser may go on.
        page = phone.context.new_page()
        focused = page.locator("*:focus")
        button = page.get_by_role("button", name="Menu", exact=True)
        page.goto(address)
        page.keyboard.press("Tab")
        assert focused.text_content() == "Skip to the content", address
        box = focused.bounding_box()
        assert box is not None
        assert box["y"] >= 0, "the skip link is focused but off the screen"
        # The closed menu lies between the two in the page: it must not take the focus.
        page.keyboard.press("Tab")
        assert focused.text_content() == "Menu", address
        assert button.get_attribute("aria-expanded") == "false"

        page.keyboard.press("Enter")
        assert button.get_attribute("aria-expanded") == "true"
        assert page.evaluate(menu_has_focus), address
        page.keyboard.press("Tab")
        assert page.evaluate(menu_has_focus), address
        page.keyboard.press("Escape")
        assert button.get_attribute("aria-expanded") == "false"
        assert focused.text_content() == "Menu", address

        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content", address
        page.close()


def commands(session: str) -> list[str]:
    """What a reader of a console block would type."""
    typed: list[str] = []
    continued = False
    for line in session.splitlines():
        prompted = line.startswith(("$ ", "> ", "# "))
        if prompted or continued:
            typed.append(line[2:] if prompted else line)
        continued = bool(typed) and (prompted or continued) and line.endswith("\\")
    return typed


def test_copy_buttons_copy_the_command_without_its_prompt(
    chromium: Browser, addresses: list[str]
) -> None:
    with chromium.new_context(permissions=["clipboard-read", "clipboard-write"]) as context:
        page = context.new_page()
        checked = sum(check_copy_buttons(page, address) for address in addresses)
    assert checked, "no console block in the whole site"


def check_copy_buttons(page: Page, address: str) -> int:
    page.goto(address)
    blocks = page.locator(".highlight-console").all()
    for block in blocks:
        button = block.get_by_role("button")
        button.focus()
        assert button.evaluate("button => getComputedStyle(button).opacity") == "1", address
        page.keyboard.press("Enter")
        block.locator("button.success").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()").split("\n")
        # Where output was left out an empty line stays, which a shell ignores.
        assert [line for line in copied if line] == commands(block.locator("pre").inner_text()), (
            address
        )
    return len(blocks)


def test_the_filter_keeps_its_state_in_the_address(chromium: Browser, addresses: list[str]) -> None:
    [address] = [address for address in addresses if address.endswith("/telemetry.html")]
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(address)
        rows = page.locator("section > table.telemetry-table tbody tr:visible")
        box, category = page.get_by_label("Filter fields"), page.get_by_label("Category")
        count, every = page.get_by_role("status"), rows.count()
        assert count.inner_text() == f"{every} of {every} fields"

        category.select_option(index=1)
        in_category = rows.count()
        box.fill("VERSION")
        found = rows.count()
        assert 0 < found < in_category < every
        assert all("version" in text.lower() for text in rows.all_inner_texts())
        assert count.inner_text() == f"{found} of {every} fields"
        headings = page.locator("section:has(> table.telemetry-table) > h3:visible")
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
        assert (rows.count(), count.inner_text()) == (0, f"0 of {every} fields")
        hidden = page.locator("section > table.telemetry-table tbody tr[id]").last
        page.evaluate("id => { location.hash = id }", hidden.get_attribute("id"))
        hidden.wait_for()
        page.get_by_role("button", name="Clear").click()
        assert rows.count() == every
        assert page.evaluate("document.activeElement.name") == "fields"


def test_without_scripts_there_is_no_filter(chromium: Browser, addresses: list[str]) -> None:
    [address] = [address for address in addresses if address.endswith("/telemetry.html")]
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(address)
        assert page.locator("table.telemetry-table").count()
        assert not page.get_by_text("Filter fields").count()


def test_whatever_can_be_focused_shows_it(chromium: Browser, addresses: list[str]) -> None:
    reachable = """() => [...document.querySelectorAll(
            "a[href], button, input:not([type=hidden]), select, [tabindex='0']"
        )].filter(element => element.checkVisibility({checkVisibilityCSS: true})).length"""
    focused = """() => {
        const {activeElement: element} = document;
        if (element === document.body) return null;
        const style = getComputedStyle(element);
        element.dataset.reached = "";
        return style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2
            ? "" : `${element.outerHTML.slice(0, 100)}: ${style.outline}`;
    }"""
    findings = []
    with chromium.new_context(viewport=DESKTOP) as context:
        for address in addresses:
            page = context.new_page()
            page.goto(address)
            expected = page.evaluate(reachable)
            assert expected, address
            for _ in range(expected):
                page.keyboard.press("Tab")
                finding = page.evaluate(focused)
                findings += [f"{address}: {finding}"] if finding else []
            reached = page.locator("[data-reached]").count()
            if reached != expected:
                findings.append(f"{address}: Tab reaches {reached} of {expected}")
            page.close()
    assert not findings, "\n".join(findings)


def test_nothing_moves_for_those_who_asked_for_that(
    chromium: Browser, addresses: list[str]
) -> None:
    moving = """[...document.querySelectorAll("*")].filter(element =>
        ["", "::before", "::after"].some(part => {
            const style = getComputedStyle(element, part || null);
            return style.animationName !== "none"
                || style.transitionDuration.split(", ").some(time => parseFloat(time) > 0);
        })).length"""
    counts = {}
    for choice in ("no-preference", "reduce"):
        with chromium.new_context() as context:
            page = context.new_page()
            page.emulate_media(reduced_motion=choice)
            counts[choice] = 0
            for address in addresses:
                page.goto(address)
                counts[choice] += page.evaluate(moving)
    assert counts["no-preference"], "nothing would move anyway"
    assert counts["reduce"] == 0


def test_a_dark_page_is_dark_before_its_style_sheets_come(
    chromium: Browser, addresses: list[str]
) -> None:
    with chromium.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.route("**/*.css*", lambda route: route.abort())
        for address in addresses:
            page.goto(address)
            # The browser's own ink: white where the page behind it is dark.
            assert page.evaluate("getComputedStyle(document.body).color") == "rgb(255, 255, 255)"


def test_the_telemetry_page_prints_whole(chromium: Browser, addresses: list[str]) -> None:
    [address] = [address for address in addresses if address.endswith("/telemetry.html")]
    paper = ViewportSize(width=672, height=1000)  # A4 at 96 dpi, within its margins
    too_wide = """[...document.querySelectorAll(".rst-content *")].filter(element =>
        element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 0.5
    ).map(element => element.outerHTML.slice(0, 100))"""
    with chromium.new_context(viewport=paper) as context:
        page = context.new_page()
        page.emulate_media(media="print")
        page.goto(address)
        assert page.evaluate(too_wide) == []
        links = page.evaluate("[...document.querySelectorAll('a.external')].map(link => link.href)")
        names = page.locator("tbody tr[id] th").all_text_contents()
        printed = PdfReader(BytesIO(page.pdf(format="A4")))
    text = re.sub(r"\s", "", "".join(sheet.extract_text() for sheet in printed.pages))
    assert links
    assert names
    assert [link for link in links if link not in text] == []
    assert [name for name in names if name not in text] == []
    assert "Filterfields" not in text


def table_roles(context: BrowserContext, page: Page) -> Counter[str]:
    """What the browser tells a screen reader; the document's tags would not show a loss."""
    tree = context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    roles = (node.get("role", {}).get("value", "") for node in tree["nodes"])
    return Counter(role for role in roles if role in {"row", "rowheader", "columnheader", "cell"})


def test_a_table_shown_as_cards_is_still_a_table(chromium: Browser, addresses: list[str]) -> None:
    checked = 0
    with chromium.new_context() as context:
        page = context.new_page()
        for address in addresses:
            page.set_viewport_size(DESKTOP)
            page.goto(address)
            if not page.locator("table.telemetry-table").count():
                continue
            wide = table_roles(context, page)
            page.set_viewport_size(PHONE)
            assert table_roles(context, page) == wide, address
            assert wide["rowheader"], address
            assert wide["columnheader"], address
            checked += 1
    assert checked, "no telemetry table in the whole site"
