//! The length of functions: free ones, methods, defaults in traits and nested ones, in product code
//! and tests alike. Closures count as lines of the function they stand in.

use syn::{
    Block, File, ImplItemFn, ItemFn, Signature, TraitItemFn,
    visit::{self, Visit},
};

use super::Finding;

/// Finds the functions of more than 70 lines, counted from `fn` to the closing brace.
pub(super) fn check(path: &str, syntax: &File) -> Vec<Finding> {
    let mut long = LongFunctions {
        path,
        findings: Vec::new(),
    };
    long.visit_file(syntax);
    long.findings
}

struct LongFunctions<'p> {
    path: &'p str,
    findings: Vec<Finding>,
}

impl LongFunctions<'_> {
    fn measure(&mut self, signature: &Signature, body: &Block) {
        let first = signature.fn_token.span.start().line;
        let lines = body.brace_token.span.close().end().line - first + 1;
        if lines > LINES_MAX {
            self.findings.push(Finding::new(
                self.path,
                first,
                format!(
                    "fn {} has {lines} lines, more than {LINES_MAX}",
                    signature.ident
                ),
                "keep the branches here and move each branch's work into a function",
            ));
        }
    }
}

impl<'ast> Visit<'ast> for LongFunctions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.measure(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

const LINES_MAX: usize = 70;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::syntax;

    fn found(text: &str) -> Vec<(usize, String)> {
        let (_, syntax) = syntax::parse(text).expect("the sample parses");
        check("a.rs", &syntax)
            .into_iter()
            .map(|f| (f.line, f.message))
            .collect()
    }

    /// A function of `lines` lines, from `fn` to the closing brace.
    fn function(lines: usize) -> String {
        format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_has_70_lines_at_most_wherever_it_stands() {
        for (before, after, line) in [
            ("", "", 1),
            ("/// Doc.\n#[test]\npub async ", "", 3),
            ("impl A {\n", "}", 2),
            ("trait A {\n", "}", 2),
            ("mod tests {\n", "}", 2),
            ("fn outer() {\n", "}", 2),
            ("const A: fn() = {\n", "f };", 2),
        ] {
            let sample = |lines| format!("{before}{}{after}", function(lines));
            let inner = |findings: Vec<(usize, String)>| -> Vec<_> {
                findings
                    .into_iter()
                    .filter(|(_, message)| message.starts_with("fn f "))
                    .collect()
            };
            assert_eq!(inner(found(&sample(70))), [], "{before}");
            assert_eq!(
                inner(found(&sample(71))),
                [(line, "fn f has 71 lines, more than 70".to_owned())],
                "{before}"
            );
        }
    }

    #[test]
    fn a_nested_function_counts_for_its_parent_too() {
        let sample = format!("fn outer() {{\n{}}}\n", function(69));
        assert_eq!(
            found(&sample),
            [(1, "fn outer has 71 lines, more than 70".to_owned())]
        );
    }

    #[test]
    fn a_long_signature_counts_and_a_missing_body_does_not() {
        let parameters = "    a: u8,\n".repeat(69);
        assert_eq!(
            found(&format!("trait A {{\nfn f(\n{parameters}    );\n}}\n")),
            []
        );
        assert_eq!(
            found(&format!("fn f(\n{parameters}) {{}}\n")),
            [(1, "fn f has 71 lines, more than 70".to_owned())]
        );
    }
}
