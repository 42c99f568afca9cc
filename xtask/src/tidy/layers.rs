//! The direction of imports between our crates: down to a lower layer, never sideways or up.
//!
//! It reads manifests, not sources: what a manifest does not name, the compiler refuses.
//! Dev-dependencies are free, for tests may look at a crate from above.

use super::{
    Finding,
    checkout::{Checkout, TextFile},
    manifest::{self, Dependency},
};

pub(super) fn check(checkout: &Checkout) -> Vec<Finding> {
    checkout
        .manifests()
        .flat_map(|(folder, manifest)| check_crate(folder, manifest))
        .collect()
}

fn check_crate(folder: &str, manifest: &TextFile) -> Vec<Finding> {
    let Some(layer) = layer(folder) else {
        return vec![unknown(manifest, 1, folder)];
    };
    manifest::dependencies(&manifest.text)
        .iter()
        .filter_map(|dependency| check_import(folder, layer, manifest, dependency))
        .collect()
}

fn check_import(
    folder: &str,
    layer: u8,
    manifest: &TextFile,
    dependency: &Dependency<'_>,
) -> Option<Finding> {
    let imported = dependency.package.strip_prefix("overspill-")?;
    match self::layer(imported) {
        None => Some(unknown(manifest, dependency.line, imported)),
        Some(below) if below < layer => None,
        Some(other) => Some(Finding::new(
            &manifest.path,
            dependency.line,
            format!("{folder} (layer {layer}) imports {imported} (layer {other})"),
            "imports go down to a lower layer; move what both need below them",
        )),
    }
}

fn layer(folder: &str) -> Option<u8> {
    LAYERS
        .iter()
        .find(|(name, _)| *name == folder)
        .map(|(_, layer)| *layer)
}

fn unknown(manifest: &TextFile, line: usize, folder: &str) -> Finding {
    Finding::new(
        &manifest.path,
        line,
        format!("the crate {folder} has no layer"),
        "add it to LAYERS in xtask/src/tidy/layers.rs",
    )
}

/// The layer of each folder below `crates/`, as CONTRIBUTING.md draws them.
const LAYERS: [(&str, u8); 13] = [
    ("core", 0),
    ("http1", 0),
    ("sys", 0),
    ("store", 1),
    ("wire", 1),
    ("net", 2),
    ("node", 3),
    ("client", 4),
    ("mirror", 4),
    ("server", 4),
    ("cli", 5),
    ("e2e", 5),
    ("sim", 5),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(folder: &str, imported: &str) -> Vec<String> {
        let manifest = format!("[dependencies]\noverspill-{imported}.workspace = true\n");
        let path = format!("crates/{folder}/Cargo.toml");
        check(&Checkout::of(&[(&path, &manifest)]))
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    #[test]
    fn imports_may_go_down() {
        for (folder, imported) in [
            ("cli", "server"),
            ("e2e", "client"),
            ("mirror", "node"),
            ("net", "http1"),
            ("net", "store"),
            ("node", "core"),
            ("sim", "core"),
            ("store", "core"),
            ("wire", "core"),
        ] {
            assert_eq!(imports(folder, imported), Vec::<String>::new());
        }
    }

    #[test]
    fn imports_may_go_neither_sideways_nor_up() {
        for (folder, layer, imported, other) in [
            ("core", 0, "http1", 0),
            ("core", 0, "wire", 1),
            ("http1", 0, "core", 0),
            ("mirror", 4, "client", 4),
            ("net", 2, "node", 3),
            ("server", 4, "mirror", 4),
            ("sim", 5, "cli", 5),
            ("store", 1, "wire", 1),
        ] {
            let expected = format!(
                "crates/{folder}/Cargo.toml:2: {folder} (layer {layer}) imports {imported} \
                 (layer {other}) (imports go down to a lower layer; move what both need below them)"
            );
            assert_eq!(imports(folder, imported), [expected]);
        }
    }

    #[test]
    fn a_crate_without_a_layer_is_found_as_folder_and_as_import() {
        let remedy = "(add it to LAYERS in xtask/src/tidy/layers.rs)";
        assert_eq!(
            imports("novel", "core"),
            [format!(
                "crates/novel/Cargo.toml:1: the crate novel has no layer {remedy}"
            )]
        );
        assert_eq!(
            imports("cli", "novel"),
            [format!(
                "crates/cli/Cargo.toml:2: the crate novel has no layer {remedy}"
            )]
        );
    }

    #[test]
    fn tests_may_import_anything() {
        let manifest = "[dev-dependencies]\noverspill-server.workspace = true\n";
        let checkout = Checkout::of(&[("crates/core/Cargo.toml", manifest)]);
        assert_eq!(check(&checkout), []);
    }
}
