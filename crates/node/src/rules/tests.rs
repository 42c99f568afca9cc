//! What rules say, and what they may not.

use super::*;

fn rule(globs: &[&str]) -> RuleText {
    RuleText {
        paths: globs.iter().map(ToString::to_string).collect(),
        ..RuleText::default()
    }
}

fn about(texts: Vec<RuleText>, path: &str) -> Ruling {
    let path = CatalogPath::parse(path.as_bytes()).unwrap();
    Rules::compile(texts).unwrap().about(&path)
}

fn with_header(name: &str, value: &str) -> RuleText {
    RuleText {
        headers: [(name.to_owned(), value.to_owned())].into(),
        ..rule(&["*"])
    }
}

#[test]
fn later_rules_have_the_last_word_on_each_point() {
    let texts = vec![
        RuleText {
            cache_control: Some("no-cache".to_owned()),
            content_type: Some("text/x-a".to_owned()),
            ..rule(&["**"])
        },
        RuleText {
            cache_control: Some("public, max-age=31536000, immutable".to_owned()),
            headers: [("X-Pool".to_owned(), " yes ".to_owned())].into(),
            ..rule(&["pool/**", "*.deb"])
        },
    ];
    let ruling = about(texts.clone(), "pool/a/b");
    let immutable = Some("public, max-age=31536000, immutable");
    assert_eq!(ruling.cache_control.as_deref(), immutable);
    assert_eq!(ruling.content_type.as_deref(), Some("text/x-a"));
    assert_eq!(ruling.lines, "X-Pool: yes\r\n");
    assert_eq!(
        about(texts.clone(), "x/y.deb").cache_control.as_deref(),
        immutable
    );
    let other = about(texts, "other");
    assert_eq!(other.cache_control.as_deref(), Some("no-cache"));
    assert_eq!(other.lines, "");
    assert_eq!(about(Vec::new(), "other"), Ruling::default());
}

#[test]
fn links_are_limited_by_path() {
    let few = |links, glob| RuleText {
        links: Some(links),
        ..rule(&[glob])
    };
    let texts = vec![few(0, "**"), few(2, "pool/**")];
    for (path, links) in [("pool/a", 2), ("other", 0)] {
        assert_eq!(about(texts.clone(), path).links, MostLinks(links));
    }
    assert_eq!(about(Vec::new(), "other").links, MostLinks(3));
}

#[test]
fn one_field_is_one_line_whatever_its_case() {
    let texts = vec![
        with_header("Content-Disposition", "attachment"),
        with_header("X-A", "1"),
        with_header("content-disposition", "inline"),
    ];
    let lines = about(texts, "a").lines;
    assert_eq!(lines, "content-disposition: inline\r\nX-A: 1\r\n");
}

#[test]
fn origins_are_told_only_what_concerns_them() {
    let of = |cors: &[&str]| {
        let text = RuleText {
            cors: cors.iter().map(ToString::to_string).collect(),
            ..rule(&["*"])
        };
        about(vec![text], "a").origins
    };
    let these = of(&["https://a.example", "http://[::1]:8080"]);
    assert!(
        these
            .lines(Some(b"https://a.example"))
            .starts_with("Access-Control-Allow-Origin: https://a.example\r\n")
    );
    assert_eq!(these.lines(Some(b"https://b.example")), "");
    assert_eq!(these.lines(None), "");
    assert!(these.varies() && !of(&["*"]).varies());
    assert!(
        of(&["*"])
            .lines(None)
            .starts_with("Access-Control-Allow-Origin: *\r\n")
    );
    assert_eq!(of(&[]).lines(Some(b"https://a.example")), "");
}

#[test]
fn a_rule_cannot_forge_or_split() {
    for (text, message) in [
        (rule(&[]), "a rule needs match = [\"GLOB\", …]"),
        (
            rule(&["[a"]),
            "match: \"[a\" is not a glob: unclosed character class; missing ']'",
        ),
        (
            with_header("X Y", "1"),
            "headers: \"X Y\" is not a field name; write letters, digits and hyphens",
        ),
        (
            with_header("ETag", "1"),
            "headers: ETag is set by Overspill itself and cannot be changed by a rule",
        ),
        (
            with_header("Cache-Control", "1"),
            "headers: Cache-Control is set by Overspill itself and cannot be changed by a rule; \
             use cache_control",
        ),
        (
            with_header("X-Y", "1\r\nSet-Cookie: a"),
            "X-Y: the value has a control character",
        ),
        (
            RuleText {
                cache_control: Some("a\nb".to_owned()),
                ..rule(&["*"])
            },
            "cache_control: the value has a control character",
        ),
        (
            RuleText {
                links: Some(4),
                ..rule(&["*"])
            },
            "links: 4 is more than 3; each makes one download several, for some clients",
        ),
        (
            RuleText {
                cors: vec!["app.example".to_owned()],
                ..rule(&["*"])
            },
            "cors: \"app.example\" is not an origin; write \"*\", or a scheme and a host such as \
             https://app.example",
        ),
    ] {
        assert_eq!(Rules::compile(vec![text]).unwrap_err().to_string(), message);
    }
    let many = vec![rule(&["*"]); Rules::MAX_RULES + 1];
    assert_eq!(
        Rules::compile(many).unwrap_err(),
        RuleError::TooMany("rules")
    );
}
