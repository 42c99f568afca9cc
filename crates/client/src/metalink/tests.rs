//! Metalinks as others write them, and as nobody should.

use super::*;

const SUM: &str = "5f8f04f6a3a892aaabbddb6cf273894493773960d4a325b105fee46eef4304f1";

fn document(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><generator>x/1</generator>{inner}</metalink>"
    )
}

fn file(inner: &str) -> String {
    document(&format!("<file name=\"f.iso\">{inner}</file>"))
}

#[test]
fn the_example_of_the_rfc_and_its_kind() {
    let sums = format!("<hash>{SUM}</hash>").repeat(2);
    let text = file(&format!(
        "<size>1500000</size><hash type=\"md5\">00</hash><hash type=\"sha-256\">{SUM}</hash>\
         <pieces length=\"1048576\" type=\"sha-256\">{sums}</pieces>\
         <url location=\"de\" priority=\"2\">http://b/f.iso?a=1&amp;b=2</url>\
         <url>ftp://c/f.iso</url><url>http://d/f.iso</url>\
         <url priority=\"1\"> https://a/f.iso </url>"
    ));
    let metalink = Metalink::parse(text.as_bytes()).unwrap();
    assert_eq!(metalink.name(), "f.iso");
    let urls: Vec<_> = metalink.urls.iter().map(ToString::to_string).collect();
    assert_eq!(
        urls,
        [
            "https://a/f.iso",
            "http://b/f.iso?a=1&b=2",
            "http://d/f.iso"
        ]
    );
    let plan = metalink.plan();
    assert_eq!((plan.size_bytes, plan.piece_bytes), (1_500_000, 1 << 20));
    assert_eq!(plan.holders.len(), 3);
    assert!(matches!(&plan.proof, Proof::Sha256(sums) if sums.len() == 2));
    assert_eq!(plan.digest, None);
}

#[test]
fn without_a_proof_one_source_is_asked() {
    let urls = "<url>http://a/f</url><url>http://b/f</url>";
    let bare = Metalink::parse(file(&format!("<size>5</size>{urls}")).as_bytes()).unwrap();
    assert_eq!(bare.plan().holders.len(), 1);
    let hash = format!("<size>5</size><hash type=\"sha-256\">{SUM}</hash>{urls}");
    let plan = Metalink::parse(file(&hash).as_bytes()).unwrap().plan();
    assert_eq!(plan.holders.len(), 2);
    assert!(plan.digest.is_some());
}

#[test]
fn what_is_no_metalink_is_refused_with_the_reason() {
    let url = "<url>http://a/f</url>";
    let size = "<size>5</size>";
    let two = format!("<file name=\"a\">{size}{url}</file>").repeat(2);
    let named = |name: &str| document(&format!("<file name=\"{name}\">{size}{url}</file>"));
    for (text, message) in [
        (
            document(""),
            "the metalink describes 0 files; one is supported".to_owned(),
        ),
        (
            document(&two),
            "the metalink describes 2 files; one is supported".to_owned(),
        ),
        (file(url), "the metalink has no size".to_owned()),
        (
            file(size),
            "the metalink has no http:// or https:// URL".to_owned(),
        ),
        (
            file(&format!("<size>-1</size>{url}")),
            "the metalink's size is not valid: \"-1\"".to_owned(),
        ),
        (
            file(&format!("{size}{url}<hash type=\"sha-256\">abc</hash>")),
            "the metalink's hash is not valid: \"abc\"".to_owned(),
        ),
        (
            file(&format!(
                "{size}{url}<pieces length=\"1048576\" type=\"sha-256\"></pieces>"
            )),
            "the metalink's number of pieces is not valid: \"0\"".to_owned(),
        ),
        (
            file(&format!(
                "{size}{url}<pieces length=\"1\" type=\"sha-256\"></pieces>"
            )),
            "the metalink's piece length is not valid: \"1\"".to_owned(),
        ),
        (
            named("../f"),
            "the metalink's file name is not valid: \"../f\"".to_owned(),
        ),
        (
            named("a/f"),
            "the metalink's file name is not valid: \"a/f\"".to_owned(),
        ),
        (
            named(""),
            "the metalink's file name is not valid: \"\"".to_owned(),
        ),
    ] {
        let error = Metalink::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    for text in [
        "<metalink",
        "<metalink><file></metalink>",
        "<metalink>",
        "<!DOCTYPE metalink [<!ENTITY a \"b\">]><metalink/>",
    ] {
        let error = Metalink::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, MetalinkError::Xml(_)), "{text}: {error}");
    }
    let other = "<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\"><file name=\"a\"/></metalink>";
    assert_eq!(
        Metalink::parse(other.as_bytes()),
        Err(MetalinkError::Files(0))
    );
}
