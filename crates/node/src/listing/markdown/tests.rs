//! READMEs: what people write is shown, what attackers write is text.

use proptest::prelude::*;

use super::*;

#[test]
fn what_people_write_is_shown() {
    for (markdown, expected) in [
        ("# Title", "<h2>Title</h2>"),
        ("###### Deep", "<h6>Deep</h6>"),
        (
            "*a* **b** ~~c~~ `d`",
            "<em>a</em> <strong>b</strong> <del>c</del> <code>d</code>",
        ),
        ("[x](sub/)", "<a href=\"sub/\">x</a>"),
        (
            "[x](https://example.org/a?b=c:d)",
            "href=\"https://example.org/a?b=c:d\"",
        ),
        ("[x](HTTP://example.org)", "href=\"HTTP://example.org\""),
        ("<mailto:a@example.org>", "href=\"mailto:a@example.org\""),
        ("[x](a/b:c)", "href=\"a/b:c\""),
        (
            "![alt](pic.png \"t\")",
            "<img src=\"pic.png\" alt=\"alt\" title=\"t\" />",
        ),
        ("| a | b |\n|:-:|--:|\n| 1 | 2 |", "<td>1</td><td>2</td>"),
        ("- [x] done", "type=\"checkbox\" checked"),
        (
            "```sh\nls <dir>\n```",
            "<pre><code class=\"language-sh\">ls &lt;dir&gt;",
        ),
    ] {
        let html = render(markdown);
        assert!(html.contains(expected), "{markdown}: {html}");
    }
}

/// What has worked against one renderer or another; after the usual collections of such attempts.
const ATTEMPTS: &[&str] = &[
    "<script>alert(1)</script>",
    "text <script>alert(1)</script> text",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=\"javascript:alert(1)\"></iframe>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<style>body{display:none}</style>",
    "<form action=/-/x><button>y</button></form>",
    "<!-- --!><script>alert(1)</script>",
    "<?php x ?><script>alert(1)</script>",
    "<![CDATA[ ><script>alert(1)</script> ]]>",
    "</article></main><script>alert(1)</script>",
    "<meta http-equiv=refresh content=\"0;url=//evil.example\">",
    "<base href=//evil.example/>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](java&NewLine;script:alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](&#x1;javascript:alert(1))",
    "[x](<java\tscript:alert(1)>)",
    "[x](< javascript:alert(1)>)",
    "[x](javascript&colon;alert(1))",
    "[x](javascript:%61lert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](blob:x) [y](file:///etc/passwd) [z](view-source:x)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2Zy8+)",
    "![x](https://evil.example/track.png)",
    "![x](//evil.example/track.png)",
    "![x](\\\\\\\\evil.example/track.png)",
    "![x](/&#92;evil.example/track.png)",
    "![x](<\t//evil.example/track.png>)",
    "![x](x\"onerror=\"alert(1))",
    "![\"onerror=\"alert(1)](x.png)",
    "![a](x.png \"\\\" onerror=alert(1) \\\"\")",
    "[a](x \"\\\"onclick=alert(1) \\\"\")",
    "`<script>alert(1)</script>`",
    "```\"><script>alert(1)</script>\nx\n```",
    "~~~ x\" onclick=\"alert(1)\nx\n~~~",
    "# <script>alert(1)</script> {#id onclick=alert(1)}",
    "| <script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "[![x](javascript:alert(1))](javascript:alert(2))",
    "<a href='x'\n onclick='alert(1)'>y</a>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<ScRiPt\n>alert(1)</sCrIpT>",
    "<div\n\n<script>alert(1)</script>",
];

/// Elements that a README may have; any other name after a `<` is a fault.
const ELEMENTS: [&str; 26] = [
    "a",
    "blockquote",
    "br",
    "code",
    "del",
    "em",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "img",
    "input",
    "li",
    "ol",
    "p",
    "pre",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];
/// Their attributes.
const ATTRIBUTES: [&str; 9] = [
    "alt", "checked", "class", "disabled", "href", "src", "start", "title", "type",
];

/// Reads HTML as a browser would and says what is wrong with it.
fn fault(html: &str) -> Option<String> {
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        rest = rest.strip_prefix('/').unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        if !ELEMENTS.contains(&name) {
            return Some(format!("element {name:?}"));
        }
        rest = after;
        loop {
            rest = rest.trim_start_matches([' ', '\n', '/']);
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break;
            }
            let end = rest.find(['=', ' ', '>', '/'])?;
            let (name, after) = rest.split_at(end);
            if !ATTRIBUTES.contains(&name) {
                return Some(format!("attribute {name:?}"));
            }
            rest = after;
            if let Some(quoted) = rest.strip_prefix("=\"") {
                let Some((value, after)) = quoted.split_once('"') else {
                    return Some("a quote without end".to_owned());
                };
                if let Some(fault) = bad_value(name, value) {
                    return Some(fault);
                }
                rest = after;
            } else if rest.starts_with('=') {
                return Some("an attribute without quotes".to_owned());
            }
        }
    }
    None
}

/// A reference that leads where it must not, by a reading of its own: decoded and without blanks.
fn bad_value(name: &str, value: &str) -> Option<String> {
    let plain = value.replace("&amp;", "&").to_ascii_lowercase();
    let plain: String = plain
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .collect();
    let first = plain.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme = first.split_once(':').map(|(scheme, _)| scheme);
    let is_bad = match name {
        "href" => scheme.is_some_and(|scheme| !["http", "https", "mailto"].contains(&scheme)),
        "src" => scheme.is_some() || plain.replace("%5c", "/").starts_with("//"),
        _ => false,
    };
    is_bad.then(|| format!("{name}={value}"))
}

#[test]
fn what_attackers_write_is_text() {
    for attempt in ATTEMPTS {
        let html = render(attempt);
        assert_eq!(fault(&html), None, "{attempt}: {html}");
    }
}

#[test]
fn the_judge_can_say_no() {
    for bad in [
        "<script>x</script>",
        "<p onclick=\"x\">",
        "<a href=\"javascript:x\">",
        "<img src=\"//evil.example\" />",
        "<img src=\"data:x\" />",
        "<a href=x>",
        "<!-- x -->",
    ] {
        assert!(fault(bad).is_some(), "{bad}");
    }
    assert_eq!(fault("<p>a <a href=\"https://b/\">c</a></p>\n<hr />"), None);
}

#[test]
fn nesting_has_an_end() {
    let html = render(&format!("{}deep", "> ".repeat(5000)));
    assert!(html.matches("<blockquote>").count() <= MAX_DEPTH);
    assert_eq!(
        html.matches("<blockquote>").count(),
        html.matches("</blockquote>").count()
    );
}

proptest! {
    #[test]
    fn no_text_makes_bad_html(text in "[\\[\\]()<>!:/\\\\\"'`#|&;=*_~ \\nab\\tjx-]{0,80}") {
        let html = render(&text);
        prop_assert_eq!(fault(&html), None, "{}", html);
    }

    #[test]
    fn no_mixture_of_attempts_makes_bad_html(
        parts in prop::collection::vec(prop::sample::select(ATTEMPTS), 1..5),
        glue in prop::sample::select(&["", " ", "\n", "\n\n", "> ", "[", "](", "<", "`"][..]),
    ) {
        let html = render(&parts.join(glue));
        prop_assert_eq!(fault(&html), None, "{}", html);
    }
}
