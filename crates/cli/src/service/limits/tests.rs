//! Tests of the limits on the command line: defaults, every option, contradictions.

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    limits: LimitArgs,
}

fn parse(options: &str) -> Result<LimitArgs, String> {
    let arguments = ["overspill"].into_iter().chain(options.split_whitespace());
    Cli::try_parse_from(arguments)
        .map(|cli| cli.limits)
        .map_err(|error| error.to_string())
}

fn limits(options: &str) -> ServeLimits {
    parse(options).expect(options).limits()
}

#[test]
fn without_options_the_defaults_hold() {
    let found = limits("");
    let expected = ServeLimits::default();
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
}

#[test]
fn every_option_finds_its_limit() {
    let limits = limits(
        "--max-connections 100 --max-connections-per-client 10 --max-requests-per-client 20 \
         --rate-per-client 10MiB/s --max-egress 1Gbit/s --min-rate 1KiB/s \
         --client-prefix-ipv4 24 --client-prefix-ipv6 56 --idle-timeout 90s --head-timeout 500ms \
         --send-timeout 2m --drain-timeout 1m30s --max-head-size 32KiB --max-target-size 4KiB",
    );
    let (serve, clients) = (limits, limits.clients);
    assert_eq!(serve.connections, 100);
    assert_eq!(serve.idle, Duration::from_secs(90));
    assert_eq!(serve.reading, Duration::from_millis(500));
    assert_eq!(serve.sending, Duration::from_secs(120));
    assert_eq!(serve.drain, Duration::from_secs(90));
    assert_eq!(
        (serve.head.head_bytes, serve.head.target_bytes),
        (32 << 10, 4 << 10)
    );
    assert_eq!(clients.connections, NonZeroU32::new(10));
    assert_eq!(clients.requests_per_s, NonZeroU32::new(20));
    assert_eq!(clients.bytes_per_s, "10MiB/s".parse().ok());
    assert_eq!(clients.total_bytes_per_s, Some(Rate::GIGABIT));
    assert_eq!(
        (clients.ipv4_prefix_bits, clients.ipv6_prefix_bits),
        (Some(24), Some(56))
    );
    assert_eq!(Some(serve.least_body_rate), "1KiB/s".parse().ok());
}

#[test]
fn contradictions_are_refused_by_both_names() {
    for (options, message) in [
        (
            "--max-connections 5 --max-connections-per-client 6",
            "--max-connections-per-client 6 is above --max-connections 5; \
             lower it or raise the other",
        ),
        (
            "--max-connections-per-client 20001",
            "--max-connections-per-client 20001 is above --max-connections 20000; \
             lower it or raise the other",
        ),
        (
            "--rate-per-client 2MiB/s --max-egress 1MiB/s",
            "--rate-per-client 2.0 MiB/s is above --max-egress 1.0 MiB/s; \
             lower it or raise the other",
        ),
        (
            "--min-rate 2KiB/s --rate-per-client 1KiB/s",
            "--min-rate 2.0 KiB/s is above --rate-per-client 1.0 KiB/s; \
             lower it or raise the other",
        ),
        (
            "--min-rate 2KiB/s --max-egress 1KiB/s",
            "--min-rate 2.0 KiB/s is above --max-egress 1.0 KiB/s; lower it or raise the other",
        ),
        (
            "--max-head-size 4KiB",
            "--max-target-size 8192 is above --max-head-size 4096; lower it or raise the other",
        ),
    ] {
        let found = parse(options).unwrap().contradictions();
        let told: Vec<_> = found.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(told, [message], "{options}");
        assert!(
            found[0]
                .options
                .iter()
                .all(|option| message.contains(option))
        );
    }
    let equal = parse("--max-connections 5 --max-connections-per-client 5").unwrap();
    assert!(equal.contradictions().is_empty());
    let both = "--min-rate 2KiB/s --rate-per-client 1KiB/s --max-head-size 4KiB";
    assert_eq!(parse(both).unwrap().contradictions().len(), 2);
}

#[test]
fn values_without_sense_are_refused_by_the_parser() {
    for (options, part) in [
        ("--max-connections 0", "--max-connections"),
        ("--max-requests-per-client -1", "unexpected argument"),
        ("--rate-per-client fast", "100MiB/s"),
        ("--min-rate 0", "not a rate"),
        ("--idle-timeout 0s", "such as 30s"),
        ("--idle-timeout 30", "such as 30s"),
        ("--send-timeout 25h", "up to a day"),
        ("--max-head-size 1GiB", "1KiB to 1MiB"),
        ("--client-prefix-ipv4 33", "1..=32"),
    ] {
        let error = parse(options).expect_err(options);
        assert!(error.contains(part), "{options}: {error}");
    }
}

#[test]
fn capacity_is_never_more_than_may_be_sent() {
    let rate = |text: &str| text.parse().ok();
    for (options, capacity, expected) in [
        ("", None, None),
        ("", rate("1GiB/s"), rate("1GiB/s")),
        ("--max-egress 1MiB/s", None, rate("1MiB/s")),
        ("--max-egress 1MiB/s", rate("1GiB/s"), rate("1MiB/s")),
        ("--max-egress 1GiB/s", rate("1MiB/s"), rate("1MiB/s")),
    ] {
        assert_eq!(parse(options).unwrap().within_egress(capacity), expected);
    }
}

#[test]
fn each_help_text_states_its_default_and_what_it_protects() {
    use clap::CommandFactory;
    let command = Cli::command();
    for argument in command
        .get_arguments()
        .filter(|argument| argument.get_id() != "help")
    {
        let help = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(help.contains("[default: "), "{}: {help}", argument.get_id());
        let long = argument.get_long_help().map(ToString::to_string);
        let long = long.unwrap_or_default();
        let explains = long.contains("Protects") || long.contains("per client");
        assert!(explains, "{}: {long}", argument.get_id());
    }
}
