//! Parses a Rust file once for the checks that need its syntax.

use proc_macro2::TokenStream;

use super::{Finding, checkout::TextFile, functions, purity};

pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    if !file.is_rust() {
        return Vec::new();
    }
    match parse(&file.text) {
        Err(error) => vec![Finding::new(
            &file.path,
            error.span().start().line,
            format!("the file does not parse: {error}"),
            "let it compile first",
        )],
        Ok((tokens, syntax)) => {
            let mut findings = functions::check(&file.path, &syntax);
            findings.extend(purity::check_source(file, tokens));
            findings
        }
    }
}

/// The file as tokens, which see into macros, and as a syntax tree, which knows what a function is.
pub(super) fn parse(text: &str) -> syn::Result<(TokenStream, syn::File)> {
    let tokens: TokenStream = text.parse()?;
    let syntax = syn::parse2(tokens.clone())?;
    Ok((tokens, syntax))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_parse_is_found_where_it_breaks() {
        for (text, line) in [("//! Doc.\nfn f() {\n", 2), ("//! Doc.\n\nfn 1f() {}\n", 3)] {
            let file = TextFile {
                path: "crates/a/src/b.rs".to_owned(),
                text: text.to_owned(),
            };
            let findings = check(&file);
            assert_eq!(findings.len(), 1, "{text}");
            assert_eq!(findings[0].line, line, "{text}");
        }
    }

    #[test]
    fn only_rust_is_parsed() {
        let file = TextFile {
            path: "README.md".to_owned(),
            text: "fn f( {".to_owned(),
        };
        assert_eq!(check(&file), []);
    }
}
