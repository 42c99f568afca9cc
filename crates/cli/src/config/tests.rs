//! Every key by every source, a corpus of bad files, and what is made from the options.

use std::{fs, path::Path};

use clap::{Args as _, FromArgMatches};

use super::{
    document::Document,
    reference::{MARKERS, reference},
    registry::{Kind, registry},
    settle::Gathered,
    template::{assignment, template},
    value, *,
};
use crate::{mirror, serve};

mod corpus;

/// The command line of a service.
fn given<T: ServiceArgs>(arguments: &[String]) -> Given<T> {
    let command = Given::<T>::augment_args(clap::Command::new(T::ROLE.name()));
    let name = T::ROLE.name().to_owned();
    let arguments = [name].into_iter().chain(arguments.iter().cloned());
    let matches = command.try_get_matches_from(arguments).unwrap();
    Given::from_arg_matches(&matches).unwrap()
}

/// What is in force for a service, given three sources.
fn gather(role: Role, arguments: &[String], environment: &Environment, file: &str) -> Gathered {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("overspill.toml");
    fs::write(&path, file).unwrap();
    match role {
        Role::Serve => given::<serve::Args>(arguments).gather(environment, Some(&path)),
        Role::Mirror => given::<mirror::Args>(arguments).gather(environment, Some(&path)),
    }
}

/// What a key's value is and where it comes from, given three sources.
fn effective(
    role: Role,
    key: &Key,
    (arguments, environment, file): (&[String], &Environment, &str),
) -> (String, &'static str) {
    let gathered = gather(role, arguments, environment, file);
    let entry = gathered
        .entries
        .iter()
        .find(|entry| entry.key.id() == key.id());
    let entry = entry.unwrap();
    let source = match entry.source {
        Source::CommandLine => "command line",
        Source::Environment(_) => "environment",
        Source::File(_) => "file",
        Source::Default => "default",
    };
    (entry.shown(), source)
}

/// Three values of a key that differ from one another and from the default.
fn three_values(key: &Key) -> [String; 3] {
    let words = [
        "alternate",
        "random",
        "round-robin",
        "relay",
        "redirect",
        "never",
    ];
    let words = words
        .into_iter()
        .chain(["combined", "json", "text", "auto"])
        .map(str::to_owned);
    let numbered = |template: &str| {
        let template = template.to_owned();
        (5..8_u32).map(move |n| template.replace('N', &n.to_string()))
    };
    let candidates = words
        .chain(numbered("127.0.0.1:808N"))
        .chain(numbered("N"))
        .chain(numbered("NMiB/s"))
        .chain(numbered("N0s"))
        .chain(numbered("NKiB"))
        .chain(numbered("http://hN:80"));
    let fits = |text: &String| value::check(key, text.as_ref()).is_ok();
    let mut fitting: Vec<String> = candidates.filter(fits).collect();
    if fitting.len() == 2 {
        // Two words are all there are.
        fitting.push(fitting[0].clone());
    }
    [0, 1, 2].map(|at| {
        fitting
            .get(at)
            .unwrap_or_else(|| panic!("{}", key.id()))
            .clone()
    })
}

#[test]
fn every_key_is_taken_from_every_source_in_its_order() {
    let mut keys = 0;
    for role in Role::ALL {
        for key in registry().of(role).filter(|key| !key.is_secret()) {
            keys += 1;
            let is_flag = key.kind() == Kind::Flag;
            let [said, variable, written] = match is_flag {
                true => ["true", "false", "true"].map(str::to_owned),
                false => three_values(key),
            };
            let arguments = match (is_flag, key.arg.is_positional()) {
                (true, _) => vec![key.option()],
                (_, true) => vec![said.clone()],
                (_, false) => vec![key.option(), said.clone()],
            };
            let environment =
                Environment::from_iter([(key.variable().as_str(), variable.as_str())]);
            let none = Environment::default();
            let file = format!(
                "[{}]\n{} = {}\n",
                key.table,
                key.name,
                value::in_toml(key, &written)
            );
            for ((arguments, environment, file), value, source) in [
                (
                    (&arguments[..], &environment, &*file),
                    &said,
                    "command line",
                ),
                ((&arguments[..], &none, &*file), &said, "command line"),
                ((&arguments[..], &none, ""), &said, "command line"),
                ((&[], &environment, &*file), &variable, "environment"),
                ((&[], &environment, ""), &variable, "environment"),
                ((&[], &none, &*file), &written, "file"),
            ] {
                let found = effective(role, key, (arguments, environment, file));
                assert_eq!(found, (value.clone(), source), "{}", key.path());
            }
            assert_eq!(
                effective(role, key, (&[], &none, "")).1,
                "default",
                "{}",
                key.path()
            );
        }
    }
    assert!(keys > 70, "{keys}");
}

#[test]
fn values_that_do_not_go_together_are_found_across_sources() {
    let environment = Environment::from_iter([
        ("OVERSPILL_STRIPE", "4"),
        ("OVERSPILL_TLS_KEY", "/k.pem"),
        ("OVERSPILL_HIDDEN", "maybe"),
    ]);
    let file = "[dispatch]\ncheck_relayed = true\n[access_log]\naccess_log_format = \"combined\"\n";
    let arguments = ["--hsts", "1day"].map(str::to_owned);
    let gathered = gather(Role::Serve, &arguments, &environment, file);
    let mut told: Vec<_> = gathered
        .problems
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "--hsts needs --tls-cert or --tls-self-signed; give it, or leave --hsts out",
            "OVERSPILL_HIDDEN: hidden is \"maybe\"; write true or false",
            "OVERSPILL_STRIPE and check_relayed (line 2) exclude each other; leave one of them out",
            "OVERSPILL_TLS_KEY needs OVERSPILL_TLS_CERT; give it, or leave OVERSPILL_TLS_KEY out",
            "access_log_format needs access_log; give it, or leave access_log_format out",
        ]
    );
}

#[test]
fn what_one_source_turns_off_another_may_exclude() {
    let environment = Environment::from_iter([("OVERSPILL_CHECK_RELAYED", "off")]);
    let file = "[dispatch]\ncheck_relayed = true\n";
    let arguments = ["--stripe", "4"].map(str::to_owned);
    let gathered = gather(Role::Serve, &arguments, &environment, file);
    assert_eq!(gathered.problems, []);
    let alone = gather(Role::Serve, &arguments, &Environment::default(), file);
    assert_eq!(alone.problems.len(), 1);
}

#[test]
fn options_of_all_sources_become_one_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("overspill.toml");
    let text = "[serve]\nfolder = \"/srv\"\npolicy = \"random\"\n[limits]\nmin_rate = \"2MiB/s\"\n\
                max_egress = \"1MiB/s\"\n";
    fs::write(&path, text).unwrap();
    let config = path.to_str().unwrap();
    let arguments = ["--config", config].map(str::to_owned);
    let given = given::<serve::Args>(&arguments);
    let problems = given.settle(&Environment::default()).unwrap_err();
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [format!(
            "{config}:6:1: --min-rate 2.0 MiB/s is above --max-egress 1.0 MiB/s; lower it or raise \
             the other (--min-rate: {config}:5:1, --max-egress: {config}:6:1)"
        )]
    );
    let environment = Environment::from_iter([("OVERSPILL_MAX_EGRESS", "4MiB/s")]);
    let settled = given.settle(&environment).unwrap();
    assert_eq!(settled.args.folder, Path::new("/srv"));
    let by_name = Environment::from_iter([
        ("OVERSPILL_CONFIG", config),
        ("OVERSPILL_MIN_RATE", "1KiB/s"),
    ]);
    let none = Given::<serve::Args>::nothing();
    assert!(none.settle(&by_name).is_ok());
    let problems = none.settle(&Environment::default()).unwrap_err();
    assert!(
        problems[0].message.starts_with("<DIR> is missing"),
        "{problems:?}"
    );
}

#[test]
fn each_line_of_the_template_can_be_meant() {
    let lines = template();
    for table in registry().tables() {
        for key in registry().in_table(table) {
            let line = assignment(key);
            assert!(lines.contains(&format!("\n# {line}\n")), "{line}");
            let document = Document::parse(Path::new("f"), &format!("[{table}]\n{line}\n"));
            assert_eq!(document.problems, [], "{line}");
            assert_eq!(document.values.len(), 1, "{line}");
        }
    }
    let uncommented = lines.lines().filter_map(|line| {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let is_toml = bare.starts_with('[')
            || bare
                .split_once(" = ")
                .is_some_and(|(name, _)| !name.contains(' '));
        is_toml.then_some(bare)
    });
    let uncommented = uncommented.collect::<Vec<_>>().join("\n");
    let document = Document::parse(Path::new("f"), &uncommented);
    assert_eq!(document.problems, []);
    assert_eq!(document.rules.texts().len(), 1);
    assert_eq!(Document::parse(Path::new("f"), &lines).problems, []);
}

#[test]
fn what_could_be_waited_for_is_no_configuration_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
    for path in [pipe.as_path(), folder.path()] {
        let arguments = ["--config", path.to_str().unwrap()].map(str::to_owned);
        let problems = given::<serve::Args>(&arguments).settle(&Environment::default());
        let problems = problems.unwrap_err();
        assert!(
            problems[0].message.contains("it is not a regular file"),
            "{problems:?}"
        );
    }
}

#[test]
fn the_page_of_the_reference_is_made_from_the_options() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = MARKERS;
    let (before, rest) = page.split_once(begin).expect("the first marker");
    let (found, after) = rest.split_once(end).expect("the last marker");
    let expected = format!("\n{}\n", reference().trim_end());
    if std::env::var_os("OVERSPILL_BLESS").is_some() {
        fs::write(&path, format!("{before}{begin}{expected}\n{end}{after}")).unwrap();
        return;
    }
    assert_eq!(
        found.trim_end(),
        expected.trim_end(),
        "docs/configuration.md is out of date: run the test with OVERSPILL_BLESS=1"
    );
}
