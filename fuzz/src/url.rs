//! What must hold for any bytes given to `overspill-core` as the path of a URL.
//!
//! It panics when a promise is broken, and must never judge by more than that.

use overspill_core::path::{CatalogPath, PathError};

/// A path is confined, and its canonical spelling names the same on the same host.
pub(crate) fn target(url: &[u8]) {
    if let Ok(taken) = CatalogPath::from_url(url) {
        is_confined(&taken.path);
        let again = CatalogPath::from_url(taken.path.to_url().as_bytes());
        assert_eq!(again.map(|again| again.path), Ok(taken.path));
    }
    match CatalogPath::canonical_url(url) {
        Ok(canonical) => {
            assert!(canonical.starts_with('/') && !canonical.starts_with("//"));
            assert!(
                canonical
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
            );
            let taken = CatalogPath::from_url(canonical.as_bytes());
            is_confined(&taken.expect("it is canonical").path);
            assert_eq!(
                CatalogPath::canonical_url(canonical.as_bytes()),
                Ok(canonical)
            );
        }
        // What is refused for more than its spelling is refused in either way.
        Err(PathError::EmptySegment) => panic!("empty segments are taken out"),
        Err(_) => assert!(CatalogPath::from_url(url).is_err()),
    }
}

fn is_confined(path: &CatalogPath) {
    let bytes = path.as_bytes();
    assert!(!bytes.contains(&0) && bytes.len() <= CatalogPath::MAX_BYTES);
    let is_plain = |segment: &[u8]| !matches!(segment, b"" | b"." | b"..");
    assert!(path.is_root() || bytes.split(|&byte| byte == b'/').all(is_plain));
}
