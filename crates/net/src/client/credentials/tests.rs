//! Reading netrc files, and what is said to whom.

use super::*;

const TEXT: &str =
    "machine files.example\n  login me\n  password secret\nmachine ::1 login six password s\n";

fn read(text: &str) -> Result<Credentials, CredentialsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("netrc");
    fs::write(&path, text).unwrap();
    Credentials::from_file(&path)
}

fn said(credentials: &Credentials, url: &str) -> Option<String> {
    let value = credentials.authorization(&url.parse().unwrap())?;
    assert!(value.is_sensitive());
    let text = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
    Some(String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap())
}

#[test]
fn each_host_gets_its_own() {
    let credentials = read(TEXT).unwrap();
    for (url, expected) in [
        ("http://files.example:8080/a", Some("me:secret")),
        ("https://files.example/", Some("me:secret")),
        ("http://[::1]:80/", Some("six:s")),
        ("http://other.example/", None),
        ("http://files.example.evil/", None),
    ] {
        assert_eq!(said(&credentials, url).as_deref(), expected, "{url}");
    }
    let all = read(&format!("{TEXT}default login any password x\n")).unwrap();
    let other = said(&all, "http://other.example/");
    assert_eq!(other.as_deref(), Some("any:x"));
}

#[test]
fn the_format_is_that_of_other_clients() {
    for (text, expected) in [
        ("machine h login a password b", "a:b"),
        (
            "# machine h login x\n\tmachine\nh\r\nlogin a # no\npassword #b\n",
            "a:#b",
        ),
        (r#"machine h login "a b" password "c\"d\\""#, "a b:c\"d\\"),
        (
            "macdef init\ncd /x\nmachine h\n\nmachine h login a account q password b",
            "a:b",
        ),
        ("machine h login ä password ß\nmachine h login other", "ä:ß"),
        ("machine other login x default login a password b", "a:b"),
        ("machine h password b", ":b"),
    ] {
        let credentials = read(text).unwrap();
        let said = said(&credentials, "http://h/");
        assert_eq!(said.as_deref(), Some(expected), "{text}");
    }
    assert_eq!(said(&read("").unwrap(), "http://h/"), None);
}

#[test]
fn what_cannot_be_read_is_told_without_its_secrets() {
    for (text, line) in [
        ("machine h\nlogin l password hunter2\nbanana hunter2", 3),
        ("password hunter2", 1),
        ("machine h password", 1),
        ("machine h\nlogin \"hunter2", 2),
    ] {
        let message = read(text).unwrap_err().to_string();
        let expected = format!("netrc:{line} is not as in a netrc file");
        assert!(message.contains(&expected), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let error = Credentials::from_file(Path::new("/nowhere/netrc")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read /nowhere/netrc: No such file or directory (os error 2)"
    );
    assert!(!format!("{:?}", read(TEXT).unwrap()).contains("secret"));
}
