//! That a crate's own clippy.toml repeats the workspace's: clippy reads the nearest one and merges
//! nothing, so a line left out silently lifts a ban.

use super::{
    Finding,
    checkout::{Checkout, TextFile},
};

pub(super) fn check(checkout: &Checkout) -> Vec<Finding> {
    let Some(shared) = checkout.file("clippy.toml") else {
        return Vec::new();
    };
    let own = checkout
        .files()
        .iter()
        .filter(|file| file.crate_folder().is_some() && file.name() == "clippy.toml");
    own.flat_map(|file| check_file(shared, file)).collect()
}

fn check_file(shared: &TextFile, own: &TextFile) -> Vec<Finding> {
    let kept: Vec<&str> = settings(own).collect();
    let missing = settings(shared).filter(|setting| !kept.contains(setting));
    missing
        .map(|setting| {
            let message = format!("lacks the workspace's setting {setting}");
            Finding::new(
                &own.path,
                1,
                message,
                "copy the line from the root's clippy.toml",
            )
        })
        .collect()
}

fn settings(file: &TextFile) -> impl Iterator<Item = &str> {
    file.text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_may_add_settings_but_not_drop_one() {
        let shared = ("clippy.toml", "# Ours.\na = true\nb = [\n    1,\n]\n");
        let found = |own: &str| -> Vec<String> {
            let checkout = Checkout::of(&[shared, ("crates/core/clippy.toml", own)]);
            check(&checkout)
                .into_iter()
                .map(|finding| finding.message)
                .collect()
        };
        assert_eq!(
            found("a = true\nb = [\n    1,\n    2,\n]\n"),
            Vec::<String>::new()
        );
        assert_eq!(
            found("b = [\n    2,\n]\n# a = true\n"),
            [
                "lacks the workspace's setting a = true",
                "lacks the workspace's setting 1,"
            ]
        );
    }

    #[test]
    fn without_a_workspace_setting_there_is_nothing_to_repeat() {
        assert_eq!(check(&Checkout::of(&[("crates/core/clippy.toml", "")])), []);
    }
}
