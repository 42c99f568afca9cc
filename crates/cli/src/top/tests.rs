//! Frames over made-up fleets, and the keys.
//!
//! They are drawn through ratatui's own terminal for tests: what is compared is what a screen gets.

use std::time::Duration;

use overspill_wire::{
    events::EventEntry,
    explain::{DecisionEntry, DecisionName, PartName},
    status::{CatalogStatus, DecisionCounts, FleetStatus, MemberStatus, NodeStatus},
};
use ratatui::{
    Terminal,
    backend::TestBackend as Grid, // lexicon-ok: ratatui's word
    style::Color,
};

use super::{ask::Told, model::Key, *};

fn member(at: u64) -> MemberStatus {
    MemberStatus {
        name: format!("m-{at:03}"),
        url: format!("http://192.0.2.{}:8080", at % 256),
        state: if at % 3 == 2 { "down" } else { "ready" }.to_owned(),
        version: "0.1.0".to_owned(),
        missing_bytes: (at % 3) << 20,
        flows: at,
        egress_bytes_per_s: at << 20,
        capacity_bytes_per_s: 4 << 20,
        error_ratio: at as f64 / 10.0,
        ..MemberStatus::default()
    }
}

fn fleet(members: u64, decided: u64) -> FleetStatus {
    FleetStatus {
        node: NodeStatus {
            role: "server".to_owned(),
            name: "server".to_owned(),
            version: "0.1.0".to_owned(),
            uptime_s: 61,
            flows: 1,
            egress_bytes_per_s: 1 << 20,
            capacity_bytes_per_s: 10 << 20,
            flows_served: 0,
            bytes_served: 0,
            server: None,
            zone: None,
        },
        instance: "1".to_owned(),
        catalog: CatalogStatus {
            revision: 7,
            files: 3,
            bytes: 2048,
            ..CatalogStatus::default()
        },
        policy: Some("marginal-cost".to_owned()),
        decisions: Some(DecisionCounts {
            redirect: decided,
            ..DecisionCounts::default()
        }),
        members: (0..members).map(member).collect(),
        told: Vec::new(),
        problems: Vec::new(),
    }
}

fn event() -> EventEntry {
    let member = serde_json::json!({"member": "m-002"});
    EventEntry {
        seq: 1,
        at: "2026-11-23T11:40:00.123Z".to_owned(),
        level: "warn".to_owned(),
        event: "member-state".to_owned(),
        text: "the member is down: no report for 10 s".to_owned(),
        fields: serde_json::from_value(member).unwrap(),
    }
}

fn decision() -> DecisionEntry {
    DecisionEntry {
        number: 7,
        age_ms: 1250,
        client: "192.0.2.0/24".to_owned(),
        path: None,
        root: "ab".repeat(32),
        bytes: 1536,
        part: PartName::Whole,
        decision: DecisionName::Redirect,
        choice: Some("m-001".to_owned()),
        instead_of: None,
        cost_s: 0.25,
        candidates: 3,
    }
}

fn told(members: u64, decided: u64) -> Input {
    Input::Told(Box::new(Told {
        fleet: fleet(members, decided),
        decisions: vec![decision()],
        events: vec![event()],
    }))
}

/// A model that has heard of so many members, twice within a second.
fn model(members: u64, now: Instant) -> Model {
    let mut model = Model::new("http://h:8080".to_owned());
    model.handle(now, told(members, 10));
    model.handle(now + Duration::from_secs(1), told(members, 14));
    model
}

fn terminal(model: &Model, now: Instant, size: (u16, u16), palette: Palette) -> Grid {
    let mut terminal = Terminal::new(Grid::new(size.0, size.1)).unwrap();
    let draw = |frame: &mut ratatui::Frame<'_>| {
        let view = view::View {
            model,
            now,
            palette,
        };
        frame.render_widget(view, frame.area());
    };
    terminal.draw(draw).unwrap();
    terminal.backend().clone() // lexicon-ok: ratatui's word
}

fn drawn(model: &Model, now: Instant, size: (u16, u16)) -> String {
    frame::text(terminal(model, now, size, Palette::Plain).buffer())
}

fn press(model: &mut Model, keys: &str) {
    for key in keys.chars() {
        let next = model.handle(Instant::now(), Input::Key(Key::Typed(key)));
        assert_eq!(next, Next::GoOn, "{key}");
    }
}

fn names(model: &Model) -> Vec<&str> {
    let members = model.members().into_iter();
    members.map(|member| member.name.as_str()).collect()
}

#[test]
fn three_members_fit_on_80_by_24() {
    let now = Instant::now();
    let expected = "\
server 0.1.0 at http://h:8080, up 1m 1s
revision 7: 3 files, 2.0 KiB; policy marginal-cost
4.0 MiB/s, 4 flows, 4.0 decisions/s         ██
MEMBER           STATE     OF CAPACITY  EGRESS      FLOWS  LAG        ERRORS
m-000            ready     ░░░░░░░░░░░░ 0 B/s           0  -          -
m-001            ready     ███░░░░░░░░░ 1.0 MiB/s       1  1.0 MiB    10 %
m-002            down      ██████░░░░░░ 2.0 MiB/s       2  2.0 MiB    20 %




";
    let frame = drawn(&model(3, now), now, (80, 24));
    assert!(frame.starts_with(expected), "{frame}");
    for part in [
        "11:40:00 warn  m-002 the member is down: no report for 10 s\n",
        "   1 s ago redirect m-001            1.5 KiB of ababababab for 192.0.2.0/24 in 0.250 s\n",
    ] {
        let part = part.get(..80).unwrap_or(part).trim_end();
        assert!(frame.contains(part), "{part}\n{frame}");
    }
    assert!(
        frame.ends_with("q end  s sort: name  / filter  ? help\n"),
        "{frame}"
    );
}

#[test]
fn two_hundred_members_are_scrolled_sorted_and_filtered() {
    let now = Instant::now();
    let mut model = model(200, now);
    let frame = drawn(&model, now, (160, 40));
    assert!(frame.contains("http://192.0.2.5:8080"), "wide: {frame}");
    assert!(frame.contains("m-000") && !frame.contains("m-199"));

    model.handle(now, Input::Key(Key::End));
    let frame = drawn(&model, now, (160, 40));
    assert!(
        frame.contains("m-199") && !frame.contains("m-000"),
        "{frame}"
    );
    model.handle(now, Input::Key(Key::Home));

    press(&mut model, "s");
    assert_eq!(names(&model)[..2], ["m-002", "m-005"], "the dead first");
    press(&mut model, "s");
    assert_eq!(names(&model)[..2], ["m-199", "m-198"], "the busiest first");
    press(&mut model, "r");
    assert_eq!(names(&model)[..2], ["m-000", "m-001"]);

    press(&mut model, "/M-19q");
    assert_eq!(names(&model), Vec::<&str>::new(), "q is a letter here");
    assert!(drawn(&model, now, (80, 24)).contains("no member matches"));
    model.handle(now, Input::Key(Key::Back));
    assert_eq!(names(&model).len(), 10);
    model.handle(now, Input::Key(Key::Enter));
    assert!(drawn(&model, now, (80, 24)).contains("/ filter: m-19"));
    model.handle(now, Input::Key(Key::Escape));
    assert_eq!(names(&model).len(), 200);
}

#[test]
fn no_window_is_too_small() {
    let now = Instant::now();
    let mut model = model(5, now);
    for mode in ["", "?"] {
        press(&mut model, mode);
        for (columns, lines) in [(1, 1), (2, 3), (20, 5), (40, 10), (79, 12), (300, 100)] {
            let frame = drawn(&model, now, (columns, lines));
            assert_eq!(frame.lines().count(), usize::from(lines));
        }
    }
    let narrow = drawn(&model, now, (30, 20));
    assert!(narrow.contains("Ctrl-C"), "help: {narrow}");
    model.handle(now, Input::Key(Key::Escape));
    let narrow = drawn(&model, now, (30, 20));
    assert!(narrow.contains("m-004            ready"), "{narrow}");
    assert!(!narrow.contains("ERRORS"), "{narrow}");
}

#[test]
fn a_node_that_is_away_is_told_with_its_last_words() {
    let now = Instant::now();
    let mut model = Model::new("http://h:8080".to_owned());
    let gone = |text: &str| Input::Failed(text.to_owned());
    model.handle(now, gone("connection refused"));
    model.handle(now + Duration::from_secs(5), gone("still\x1b[31m refused"));
    let frame = drawn(&model, now + Duration::from_secs(7), (80, 24));
    assert!(
        frame.contains("AWAY for 7 s: still\u{fffd}[31m refused"),
        "{frame}"
    );

    model.handle(now + Duration::from_secs(8), told(3, 10));
    let frame = drawn(&model, now + Duration::from_secs(8), (80, 24));
    assert!(
        !frame.contains("AWAY") && frame.contains("- decisions/s"),
        "{frame}"
    );
    model.handle(now + Duration::from_secs(9), gone("gone"));
    let frame = drawn(&model, now + Duration::from_secs(9), (80, 24));
    assert!(
        frame.contains("AWAY") && frame.contains("m-002"),
        "the last is kept: {frame}"
    );
}

#[test]
fn there_is_no_colour_where_none_is_wanted() {
    let now = Instant::now();
    let model = model(3, now);
    let colours = |palette| {
        let screen = terminal(&model, now, (80, 24), palette);
        let cells = screen.buffer().content.iter();
        cells
            .filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
            .count()
    };
    assert_eq!(colours(Palette::Plain), 0);
    assert!(colours(Palette::Coloured) > 20);
}

#[test]
fn one_frame_is_as_high_as_it_has_to_be() {
    let now = Instant::now();
    let text = frame::plain(&model(50, now), now, None);
    for at in 0..50 {
        assert!(text.contains(&format!("m-{at:03}  ")), "{at}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 120));
}

#[test]
fn q_and_ctrl_c_end_it() {
    let now = Instant::now();
    let mut model = model(1, now);
    assert_eq!(model.handle(now, Input::Key(Key::Typed('q'))), Next::End);
    press(&mut model, "/");
    assert_eq!(model.handle(now, Input::Key(Key::Interrupt)), Next::End);
    assert_eq!(model.handle(now, Input::Gone), Next::End);
}
