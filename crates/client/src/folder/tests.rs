//! What is asked for, and where entries are; answers of real servers are in `tests/`.

use super::*;

fn url(text: &str) -> HttpUrl {
    HttpUrl::parse(text).unwrap()
}

#[test]
fn pages_are_asked_for_with_conditions_and_cursor() {
    let conditions = [("name", "*.iso"), ("ext", "a&b")];
    let mut list = Folder::list(&url("http://h/a?x")).unwrap();
    let mut find = Folder::find(&url("http://h/a/"), &conditions).unwrap();
    let all = Folder::find(&url("http://h"), &[]).unwrap();
    let page = |folder: &Folder| folder.page_url().unwrap().unwrap().to_string();
    assert_eq!(page(&list), "http://h/a/?format=json");
    assert_eq!(
        page(&find),
        "http://h/a/?name=%2A.iso&ext=a%26b&format=json"
    );
    assert_eq!(page(&all), "http://h/?min_size=0&format=json");
    find.advance(Some("c=1".to_owned())).unwrap();
    assert_eq!(
        page(&find),
        "http://h/a/?name=%2A.iso&ext=a%26b&format=json&cursor=c%3D1"
    );
    list.advance(None).unwrap();
    assert_eq!(list.page_url().unwrap(), None);
}

#[test]
fn a_cursor_seen_before_is_an_error() {
    let mut folder = Folder::list(&url("http://h/")).unwrap();
    for cursor in ["a", "b"] {
        folder.advance(Some(cursor.to_owned())).unwrap();
    }
    let error = folder.advance(Some("a".to_owned())).unwrap_err();
    assert!(matches!(error, AskError::Endless { .. }));
}

#[test]
fn every_message_and_its_exit_code() {
    use crate::exit::Exit;
    use http::StatusCode;
    let url = || url("http://h/a");
    for (error, message, exit) in [
        (
            AskError::Endless { url: url() },
            "http://h/a has a listing without end: the server sent the same cursor twice",
            Exit::Network,
        ),
        (
            AskError::Foreign {
                url: url(),
                expected: "Overspill folder",
                reason: "it sent text/html".to_owned(),
            },
            "http://h/a is no Overspill folder: it sent text/html",
            Exit::Usage,
        ),
        (
            AskError::NotFound { url: url() },
            "http://h/a was not found on the server",
            Exit::NotFound,
        ),
        (
            AskError::Refused {
                url: url(),
                status: StatusCode::FORBIDDEN,
            },
            "http://h/a is refused by the server (403 Forbidden)",
            Exit::Refused,
        ),
        (
            AskError::Redirects { url: url() },
            "http://h/a redirects to nowhere or more than 10 times",
            Exit::Network,
        ),
        (
            AskError::Status {
                url: url(),
                status: StatusCode::BAD_GATEWAY,
            },
            "http://h/a cannot be read: the server answered 502 Bad Gateway",
            Exit::Network,
        ),
    ] {
        assert_eq!(error.to_string(), message);
        assert_eq!(error.exit(), exit, "{message}");
    }
}
