//! The listing page in a real browser: mouse, keys, no scripts, hostile names, sizes and colours.
//!
//! Pictures of it are left in the target folder under `tmp/listing`, for people to look at.

use std::{fs, path::Path};

use serde_json::json;

use self::devtools::{Browser, CHROMIUM};
use crate::{
    fleet::{Fleet, Setup, say},
    stage::{Stage, content},
    tools::{Need, has},
};

pub(crate) mod devtools;

/// A README that tries what a page must not let it do.
const README: &str = "# Read me first\n\nA *short* guide, see [the folder](sub/) or \
    <https://example.org/>.\n\n```sh\nsha256sum -c SHA256SUMS\n```\n\n| a | b |\n|:-:|--:|\n\
    | 1 | 2 |\n\n- [x] done\n\n<script>window.broken = 1</script>\n\n<img src=x \
    onerror=\"window.broken = 1\">\n\n[click](javascript:window.broken=1) \
    ![far](https://192.0.2.1/x.png)\n";

/// A node with a folder as people have it, and a browser.
fn scene(test: &str) -> Option<(Fleet, Browser)> {
    if !has(test, &[Need::Program(CHROMIUM)]) {
        return None;
    }
    let stage = Stage::new();
    for (name, bytes) in [
        ("part-9.iso", 3000),
        ("part-10.iso", 20_000),
        ("notes.txt", 10),
        (
            "a name that is so long that it has to be broken somewhere on a phone.tar.zst",
            500,
        ),
        ("<img src=x onerror='window.broken=1'>.txt", 7),
        ("photo.jpg", 70_000),
        ("sub/inner.iso", 900),
        ("sub/deep/lower.txt", 1),
    ] {
        stage.write(name, &content(bytes as u64, bytes));
    }
    stage.write("README.md", README.as_bytes());
    let browser = Browser::start(&stage);
    Some((Fleet::ready(stage, Setup::default()), browser))
}

/// Names in the table, as they are to be seen.
const NAMES: &str = "[...document.querySelectorAll('#list tbody tr:not(.up):not([hidden]) a')]\
    .map((link) => link.textContent)";
/// The name under the keyboard.
const FOCUSED: &str = "document.activeElement.textContent";
/// How the table is sorted.
const SORTED: &str = "[...document.querySelectorAll('[aria-sort]')]\
    .map((cell) => cell.textContent + ' ' + cell.ariaSort).join()";

/// Waits until exactly these names are to be seen in this order, but for the two that are long.
fn wait_for_names(browser: &mut Browser, names: &[&str]) {
    let shown = format!("{NAMES}.filter((name) => name.length < 20)");
    let expected = json!(names).to_string();
    wait_for_text(browser, &format!("JSON.stringify({shown})"), &expected);
}

fn wait_for_text(browser: &mut Browser, expression: &str, text: &str) {
    let text = json!(text);
    browser.wait(&format!(
        "document.readyState === 'complete' && {expression} === {text}"
    ));
}

/// Nothing was forbidden by the page's own policy, no script failed, none of a stranger ran.
fn assert_clean(browser: &mut Browser) {
    assert_eq!(browser.evaluate("window.violations"), json!([]));
    assert_eq!(browser.evaluate("typeof window.broken"), "undefined");
    assert_eq!(browser.complaints(), <&[String]>::default());
}

#[test]
fn a_click_sorts_and_the_filter_stays() {
    let Some((fleet, mut browser)) = scene("a_click_sorts_and_the_filter_stays") else {
        return;
    };
    browser.open(&format!("{}/", fleet.server.url));
    let by_name = [
        "sub/",
        "notes.txt",
        "part-9.iso",
        "part-10.iso",
        "photo.jpg",
        "README.md",
    ];
    wait_for_names(&mut browser, &by_name);
    wait_for_text(&mut browser, SORTED, "Name ascending");
    let by_size = [
        "sub/",
        "photo.jpg",
        "part-10.iso",
        "part-9.iso",
        "README.md",
        "notes.txt",
    ];

    browser.click("th.size a");
    wait_for_text(&mut browser, SORTED, "Size descending");
    wait_for_names(&mut browser, &by_size);

    browser.click("#filter");
    browser.write("PART");
    wait_for_names(&mut browser, &["part-10.iso", "part-9.iso"]);
    browser.click("th.size a");
    wait_for_text(&mut browser, SORTED, "Size ascending");
    wait_for_names(&mut browser, &["part-9.iso", "part-10.iso"]);
    assert_eq!(
        browser.evaluate("document.querySelector('#filter').value"),
        "PART"
    );

    browser.press(&["Escape"]);
    browser.click("th.time a");
    wait_for_text(&mut browser, SORTED, "Modified descending");
    browser.wait("document.querySelectorAll('#list tbody tr:not([hidden])').length === 8");
    assert_clean(&mut browser);
}

#[test]
fn the_keyboard_moves_opens_and_filters() {
    let Some((fleet, mut browser)) = scene("the_keyboard_moves_opens_and_filters") else {
        return;
    };
    let root = format!("{}/", fleet.server.url);
    browser.open(&root);
    browser.press(&["j"]);
    wait_for_text(&mut browser, FOCUSED, "sub/");
    browser.press(&["Enter"]);
    wait_for_text(&mut browser, "location.pathname", "/sub/");
    browser.wait("document.readyState === 'complete'");
    browser.press(&["ArrowDown", "ArrowDown"]);
    wait_for_text(&mut browser, FOCUSED, "inner.iso");
    browser.press(&["k"]);
    wait_for_text(&mut browser, FOCUSED, "deep/");
    browser.press(&["u"]);
    wait_for_text(&mut browser, "location.href", &root);
    browser.wait("document.readyState === 'complete'");

    // With Ctrl a key is the browser's; in the field it is a letter.
    browser.press_with_ctrl("j");
    assert_eq!(browser.evaluate("document.activeElement.tagName"), "BODY");
    browser.press(&["/"]);
    wait_for_text(&mut browser, "document.activeElement.id", "filter");
    browser.write("juk");
    wait_for_text(&mut browser, "document.activeElement.value", "juk");
    browser.press(&["Backspace", "Backspace", "Backspace"]);
    browser.write("*.is?");
    wait_for_names(&mut browser, &["part-9.iso", "part-10.iso"]);
    browser.press(&["ArrowDown"]);
    wait_for_text(&mut browser, FOCUSED, "part-9.iso");
    browser.press(&["ArrowUp"]);
    wait_for_text(&mut browser, "document.activeElement.id", "filter");
    browser.press(&["Escape"]);
    wait_for_text(&mut browser, "document.activeElement.value", "");

    // Words are looked for anywhere in a name, here and below.
    browser.write("inner");
    browser.press(&["Enter"]);
    browser.wait("location.search === '?name=*inner*' && document.readyState === 'complete'");
    wait_for_names(&mut browser, &["sub/inner.iso"]);
    browser.press(&["u"]);
    wait_for_text(&mut browser, "location.href", &root);
    assert_clean(&mut browser);
}

#[test]
fn everything_works_without_scripts() {
    let Some((fleet, mut browser)) = scene("everything_works_without_scripts") else {
        return;
    };
    browser.disable_scripts();
    browser.open(&format!("{}/?limit=4", fleet.server.url));
    browser.click("[rel=next]");
    browser.wait("location.search.includes('cursor=name') && document.readyState === 'complete'");
    wait_for_names(
        &mut browser,
        &["part-9.iso", "part-10.iso", "photo.jpg", "README.md"],
    );
    browser.click("th.size a");
    wait_for_text(&mut browser, SORTED, "Size descending");
    browser.wait("document.querySelectorAll('#list tbody a')[1].textContent === 'photo.jpg'");
    browser.click("#filter");
    browser.write("*.iso");
    browser.press(&["Enter"]);
    browser.wait("location.search.startsWith('?name=*.iso') && document.readyState === 'complete'");
    wait_for_names(
        &mut browser,
        &["part-10.iso", "part-9.iso", "sub/inner.iso"],
    );
    browser.click("#filter");
    browser.press(&[
        "Backspace",
        "Backspace",
        "Backspace",
        "Backspace",
        "Backspace",
        "Enter",
    ]);
    browser.wait("location.search.startsWith('?name=&') && document.readyState === 'complete'");
    // An empty field is no condition.
    browser.wait("document.querySelector('#list tbody a').textContent === 'sub/'");
}

/// The least contrast of texts to what is behind them (WCAG 2, section 1.4.3: at least 4.5).
const CONTRAST: &str = "(() => {
    const light = (colour) => {
        const [r, g, b] = colour.match(/[0-9.]+/g).map((part) => part / 255)
            .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = light(getComputedStyle(document.body).backgroundColor);
    const texts = ['h1 a', 'th a', 'td a', 'td time', '.get a', '#summary', '.readme p'];
    return Math.min(...texts.map((selector) => {
        const text = light(getComputedStyle(document.querySelector(selector)).color);
        return (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
    }));
})()";

#[test]
fn it_looks_right_on_every_screen() {
    let Some((fleet, mut browser)) = scene("it_looks_right_on_every_screen") else {
        return;
    };
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("listing");
    fs::create_dir_all(&pictures).unwrap();
    let mut backgrounds = Vec::new();
    for (screen, width, height) in [
        ("desktop", 1280, 800),
        ("phone", 390, 844),
        ("wide", 2560, 1300),
    ] {
        for scheme in ["light", "dark"] {
            browser.resize(width, height);
            browser.prefer(scheme);
            browser.open(&format!("{}/", fleet.server.url));
            browser.picture(&pictures.join(format!("{screen}-{scheme}.png")));
            let overflow = "document.documentElement.scrollWidth - innerWidth";
            assert_eq!(browser.evaluate(overflow), 0, "{screen} scrolls sideways");
            let contrast = browser.evaluate(CONTRAST).as_f64().unwrap();
            assert!(contrast >= 4.5, "{scheme}: {contrast}");
            backgrounds.push(browser.evaluate("getComputedStyle(document.body).backgroundColor"));
            assert_clean(&mut browser);
        }
    }
    assert_ne!(backgrounds[0], backgrounds[1], "light and dark differ");
    let readme = browser.evaluate("document.querySelector('.readme').innerHTML");
    let readme = readme.as_str().unwrap();
    assert!(
        readme.contains("<h2>Read me first</h2>") && readme.contains("&lt;script&gt;"),
        "{readme}"
    );
    browser.evaluate("document.querySelector('.readme').scrollIntoView()");
    browser.picture(&pictures.join("readme.png"));
    say(format_args!(
        "pictures of the listing: {}",
        pictures.display()
    ));
}

#[test]
fn fifty_thousand_entries_are_a_page_away() {
    const ENTRIES: usize = 50_000;
    let test = "fifty_thousand_entries_are_a_page_away";
    if !has(test, &[Need::Program(CHROMIUM)]) {
        return;
    }
    let stage = Stage::new();
    stage.write("many/0.txt", b"");
    for at in 1..ENTRIES {
        fs::File::create(stage.tree().join(format!("many/{at}.txt"))).unwrap();
    }
    let mut browser = Browser::start(&stage);
    // Listed as soon as they are seen; nobody waits for the hashes.
    let fleet = Fleet::start(stage, Setup::default());
    let url = format!("{}/many/", fleet.server.url);
    crate::stage::wait_for("a catalog that is complete", crate::stage::LONG, || {
        let totals = fleet.server.status().catalog;
        totals.files == ENTRIES as u64
    });
    browser.open(&url);
    let text = browser.evaluate("document.querySelector('.pages').textContent");
    assert!(
        text.as_str().unwrap().starts_with("1–2000 of 50000"),
        "{text}"
    );
    browser.click("[rel=next]");
    let first = "document.querySelector('#list tbody tr:not(.up) a').textContent";
    wait_for_text(&mut browser, first, "2000.txt");
    let times = "performance.getEntriesByType('navigation').map((page) => \
        Math.round(page.domInteractive - page.responseStart))[0]";
    let millis = browser.evaluate(times);
    say(format_args!(
        "2000 of 50000 rows were interactive {millis} ms after their first byte"
    ));
    browser.press(&["/"]);
    browser.write("3999");
    wait_for_names(&mut browser, &["3999.txt"]);
    browser.press(&["Enter"]);
    browser.wait("location.search === '?name=*3999*' && document.readyState === 'complete'");
    let found = browser.evaluate("document.querySelector('#summary').textContent");
    assert!(found.as_str().unwrap().starts_with("15 files"), "{found}");
    assert_clean(&mut browser);
}
