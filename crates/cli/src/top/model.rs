//! What is known of the fleet, and what the person at the keyboard wants of it.
//!
//! Pure: `now` is passed in. It must never show anything; that is the view's.

use std::{
    cmp::Ordering,
    collections::VecDeque,
    time::{Duration, Instant},
};

use overspill_wire::{
    events::EventEntry,
    explain::DecisionEntry,
    status::{DecisionCounts, FleetStatus, MemberStatus},
};

use super::ask::Told;

/// What can happen.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// The node did not answer.
    Failed(String),
    /// A key.
    Key(Key),
    /// Nobody sits at the terminal any more.
    Gone,
    /// The window has another size.
    Resized,
    /// The node answered.
    Told(Box<Told>),
}

/// A key, as far as it means something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    /// Deletes the last character.
    Back,
    /// One line down.
    Down,
    /// To the last line.
    End,
    /// Ends what was typed.
    Enter,
    /// Leaves where one is.
    Escape,
    /// To the first line.
    Home,
    /// Ctrl-C.
    Interrupt,
    /// One page down.
    PageDown,
    /// One page up.
    PageUp,
    /// A character.
    Typed(char),
    /// One line up.
    Up,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// No.
    End,
    /// Yes.
    GoOn,
}

/// Where the keyboard goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    /// Into the filter.
    Filter,
    /// Nowhere: the keys are explained.
    Help,
    /// To the table.
    Table,
}

/// By what members are ordered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sort {
    /// Share of requests that failed, most first.
    Errors,
    /// Bytes per second, most first.
    Egress,
    /// Flows, most first.
    Flows,
    /// Bytes, then revisions that are missing, most first.
    Lag,
    /// Name.
    Name,
    /// Those that need a look first.
    State,
}

/// All that is shown.
#[derive(Debug)]
pub(super) struct Model {
    /// What was asked for.
    pub(super) url: String,
    /// What the node said last.
    pub(super) fleet: Option<FleetStatus>,
    /// Its last decisions, newest first.
    pub(super) decisions: Vec<DecisionEntry>,
    /// Its last events, newest first.
    pub(super) events: VecDeque<EventEntry>,
    /// Bytes per second of the whole fleet, a value for each answer, oldest first.
    pub(super) throughput: VecDeque<u64>,
    /// Decisions per second between the last two answers.
    pub(super) decisions_per_s: Option<f64>,
    /// Since when the node has not answered, and what it looks like from here.
    pub(super) away: Option<(Instant, String)>,
    /// Where the keyboard goes.
    pub(super) mode: Mode,
    /// By what members are ordered.
    pub(super) sort: Sort,
    /// Whether that order is turned round.
    pub(super) is_reversed: bool,
    /// What the name or state of a member has to contain, in lower case.
    pub(super) filter: String,
    /// Members above the first line that is shown.
    pub(super) scrolled: usize,
    counted: Option<(Instant, u64)>,
}

/// Most events remembered.
const EVENTS_MAX: usize = 1000;
/// Most values of the throughput remembered: the widest screens have fewer columns.
const THROUGHPUT_MAX: usize = 512;
/// Longest filter, in characters.
const FILTER_CHARS_MAX: usize = 64;
/// Members that a page key moves by.
const PAGE: usize = 10;

impl Model {
    /// Nothing known yet of the node at `url`.
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            fleet: None,
            decisions: Vec::new(),
            events: VecDeque::new(),
            throughput: VecDeque::new(),
            decisions_per_s: None,
            away: None,
            mode: Mode::Table,
            sort: Sort::Name,
            is_reversed: false,
            filter: String::new(),
            scrolled: 0,
            counted: None,
        }
    }

    /// Takes in what happened. `now` never goes backwards.
    pub(super) fn handle(&mut self, now: Instant, input: Input) -> Next {
        match input {
            Input::Failed(error) => {
                let since = self.away.as_ref().map_or(now, |(since, _)| *since);
                self.away = Some((since, error));
                self.counted = None;
            }
            Input::Gone => return Next::End,
            Input::Key(key) => return self.press(key),
            Input::Resized => {}
            Input::Told(told) => self.hear(now, *told),
        }
        Next::GoOn
    }

    /// The members to be shown, in order.
    pub(super) fn members(&self) -> Vec<&MemberStatus> {
        let all = self.fleet.iter().flat_map(known);
        let mut shown: Vec<_> = all.filter(|member| self.is_wanted(member)).collect();
        shown.sort_by(|one, other| {
            let order = self.sort.compare(one, other);
            let order = if self.is_reversed {
                order.reverse()
            } else {
                order
            };
            order.then_with(|| one.name.cmp(&other.name))
        });
        shown
    }

    /// For how long the node has been away.
    pub(super) fn away_for(&self, now: Instant) -> Option<Duration> {
        let (since, _) = self.away.as_ref()?;
        Some(now.saturating_duration_since(*since))
    }

    fn is_wanted(&self, member: &MemberStatus) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.filter);
        has(&member.name) || has(&member.state) || has(&member.url)
    }

    fn hear(&mut self, now: Instant, told: Told) {
        self.away = None;
        let total = told.fleet.decisions.as_ref().map(decided);
        self.decisions_per_s = self.counted.zip(total).and_then(|((then, before), total)| {
            let seconds = now.saturating_duration_since(then).as_secs_f64();
            (seconds > 0.0).then(|| total.saturating_sub(before) as f64 / seconds)
        });
        self.counted = total.map(|total| (now, total));
        push(
            &mut self.throughput,
            throughput(&told.fleet),
            THROUGHPUT_MAX,
        );
        for event in told.events {
            self.events.push_front(event);
        }
        self.events.truncate(EVENTS_MAX);
        self.decisions = told.decisions;
        self.fleet = Some(told.fleet);
        self.scroll(0);
    }

    fn press(&mut self, key: Key) -> Next {
        match (self.mode, key) {
            (_, Key::Interrupt) => return Next::End,
            (Mode::Filter, key) => self.edit_filter(key),
            (Mode::Help, _) => self.mode = Mode::Table,
            (Mode::Table, Key::Typed('q')) => return Next::End,
            (Mode::Table, Key::Typed('?')) => self.mode = Mode::Help,
            (Mode::Table, Key::Typed('/')) => self.mode = Mode::Filter,
            (Mode::Table, Key::Typed('s')) => self.sort = self.sort.next(),
            (Mode::Table, Key::Typed('r')) => self.is_reversed = !self.is_reversed,
            (Mode::Table, Key::Escape) => self.filter.clear(),
            (Mode::Table, key) => self.scroll(movement(key)),
        }
        Next::GoOn
    }

    fn edit_filter(&mut self, key: Key) {
        match key {
            Key::Typed(character) if self.filter.chars().count() < FILTER_CHARS_MAX => {
                self.filter.extend(character.to_lowercase());
            }
            Key::Back => drop(self.filter.pop()),
            Key::Enter => self.mode = Mode::Table,
            Key::Escape => {
                self.filter.clear();
                self.mode = Mode::Table;
            }
            _ => {}
        }
        self.scrolled = 0;
    }

    fn scroll(&mut self, by: isize) {
        let last = self.members().len().saturating_sub(1);
        self.scrolled = self.scrolled.saturating_add_signed(by).min(last);
    }
}

impl Sort {
    /// Its name, as the header has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Errors => "errors",
            Self::Flows => "flows",
            Self::Lag => "lag",
            Self::Name => "name",
            Self::State => "state",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Name => Self::State,
            Self::State => Self::Egress,
            Self::Egress => Self::Flows,
            Self::Flows => Self::Lag,
            Self::Lag => Self::Errors,
            Self::Errors => Self::Name,
        }
    }

    fn compare(self, one: &MemberStatus, other: &MemberStatus) -> Ordering {
        let lag = |member: &MemberStatus| (member.missing_bytes, member.lag_revisions);
        match self {
            Self::Egress => other.egress_bytes_per_s.cmp(&one.egress_bytes_per_s),
            Self::Errors => other.error_ratio.total_cmp(&one.error_ratio),
            Self::Flows => other.flows.cmp(&one.flows),
            Self::Lag => lag(other).cmp(&lag(one)),
            Self::Name => Ordering::Equal,
            Self::State => rank(&one.state).cmp(&rank(&other.state)),
        }
    }
}

/// Lower is more in need of a look.
fn rank(state: &str) -> usize {
    let order = ["gone", "down", "suspect", "draining", "joining", "ready"];
    let found = order.iter().position(|known| *known == state);
    found.unwrap_or(order.len())
}

fn movement(key: Key) -> isize {
    let page = PAGE as isize;
    match key {
        Key::Down => 1,
        Key::End => isize::MAX,
        Key::Home => isize::MIN,
        Key::PageDown => page,
        Key::PageUp => -page,
        Key::Up => -1,
        _ => 0,
    }
}

fn decided(counts: &DecisionCounts) -> u64 {
    counts.serve + counts.redirect + counts.relay + counts.reject
}

/// Everybody else the node knows of: a server's members, or what a mirror was told.
fn known(fleet: &FleetStatus) -> impl Iterator<Item = &MemberStatus> {
    fleet.members.iter().chain(&fleet.told)
}

/// What all nodes send together.
fn throughput(fleet: &FleetStatus) -> u64 {
    let members = known(fleet).map(|member| member.egress_bytes_per_s);
    members.sum::<u64>() + fleet.node.egress_bytes_per_s
}

fn push(values: &mut VecDeque<u64>, value: u64, most: usize) {
    if values.len() >= most {
        values.pop_front();
    }
    values.push_back(value);
}
