//! Tests of the table: against one that never forgets, and at its cap.

use std::time::Duration;

use proptest::prelude::*;

use super::{super::prefix::PrefixBits, *};

fn client(number: u8) -> Prefix {
    Prefix::of([192, 0, 2, number].into(), PrefixBits::default())
}

fn limits() -> PerClient {
    PerClient {
        connections: Some(3),
        requests: Some(Allowance::new(2.0, 4, 1)),
        bytes: Some(Allowance::new(1000.0, 500, 100)),
    }
}

/// What can happen, to one of a few clients.
#[derive(Clone, Copy, Debug)]
enum Event {
    Connect(u8),
    Disconnect(u8),
    Request(u8),
    Reserve(u8, u64),
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    // Few clients and short pauses: most of them are at their limit most of the time.
    let client = 0_u8..3;
    let event = prop_oneof![
        3 => client.clone().prop_map(Event::Connect),
        2 => client.clone().prop_map(Event::Disconnect),
        3 => client.clone().prop_map(Event::Request),
        3 => (client, 1_u64..300).prop_map(|(client, bytes)| Event::Reserve(client, bytes)),
        2 => (0_u64..400).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..300)
}

/// One client as a table without limits would keep it, for ever.
struct Remembered {
    connections: u32,
    requests: Bucket,
    bytes: Bucket,
}

struct Both {
    table: ClientTable,
    remembered: Vec<Remembered>,
    now: Instant,
}

impl Both {
    fn new(clients_max: usize) -> Self {
        let now = Instant::now();
        let remembered = (0..3).map(|_| Remembered {
            connections: 0,
            requests: Bucket::full(now),
            bytes: Bucket::full(now),
        });
        Self {
            table: ClientTable::new(limits(), clients_max, 7),
            remembered: remembered.collect(),
            now,
        }
    }

    /// Lets it happen to both, and compares what they say.
    fn happen(&mut self, event: Event) {
        let (limits, now) = (limits(), self.now);
        match event {
            Event::Connect(number) => {
                let known = &mut self.remembered[usize::from(number)];
                let admitted = self.table.connect(client(number), now);
                if known.connections == 3 {
                    assert_eq!(admitted, Err(TooManyConnections { connections_max: 3 }));
                } else {
                    assert_eq!(admitted, Ok(Admitted::Counted));
                    known.connections += 1;
                }
            }
            Event::Disconnect(number) => {
                let known = &mut self.remembered[usize::from(number)];
                if known.connections > 0 {
                    known.connections -= 1;
                    self.table.disconnect(client(number), now);
                }
            }
            Event::Request(number) => {
                let known = &mut self.remembered[usize::from(number)];
                if known.connections > 0 {
                    let expected = known.requests.take(&limits.requests.unwrap(), now, 1);
                    assert_eq!(self.table.request(client(number), now), expected);
                }
            }
            Event::Reserve(number, bytes) => {
                let known = &mut self.remembered[usize::from(number)];
                if known.connections > 0 {
                    let expected = known.bytes.reserve(&limits.bytes.unwrap(), now, bytes);
                    assert_eq!(self.table.reserve(client(number), now, bytes), expected);
                }
            }
            Event::Pass(ms) => self.now += Duration::from_millis(ms),
        }
        self.check();
    }

    fn check(&self) {
        let connected = |known: &&Remembered| known.connections > 0;
        let busy = self.remembered.iter().filter(connected).count();
        assert_eq!(self.table.len(), busy + self.table.idle.len());
        assert!(self.table.len() <= self.table.clients_max);
    }

    fn close_all(&mut self) {
        for number in 0..3 {
            for _ in 0..self.remembered[usize::from(number)].connections {
                self.happen(Event::Disconnect(number));
            }
        }
    }
}

proptest! {
    #[test]
    fn forgetting_clients_at_rest_changes_no_answer(events in events()) {
        let mut both = Both::new(64);
        for event in events {
            both.happen(event);
        }
    }

    #[test]
    fn nothing_is_left_once_all_have_gone_and_rested(events in events()) {
        let mut both = Both::new(64);
        for event in events {
            both.happen(event);
        }
        both.close_all();
        both.happen(Event::Pass(10_000_000));
        // Each newcomer clears two away, and is itself forgotten as it leaves.
        for _ in 0..4 {
            both.happen(Event::Connect(0));
            both.happen(Event::Disconnect(0));
        }
        prop_assert!(both.table.is_empty());
    }
}

#[test]
fn a_full_table_forgets_the_idle_client_nearest_to_rest_and_then_fails_open() {
    let now = Instant::now();
    let mut table = ClientTable::new(limits(), 3, 7);
    for (number, requests) in [(0, 0), (1, 3), (2, 1)] {
        table.connect(client(number), now).unwrap();
        for _ in 0..requests {
            table.request(client(number), now).unwrap();
        }
    }
    for number in [1, 2] {
        table.disconnect(client(number), now);
    }
    // The second idle client has taken less, so it goes first; the busy one stays.
    assert_eq!(table.connect(client(3), now), Ok(Admitted::Counted));
    let left = [0, 1, 2, 3].map(|number| table.entries.contains_key(&client(number)));
    assert_eq!(left, [true, true, false, true]);
    assert_eq!(table.connect(client(4), now), Ok(Admitted::Counted));
    assert_eq!(table.connect(client(5), now), Ok(Admitted::Uncounted));
    assert_eq!(table.len(), 3);
    assert_eq!(table.connect(client(0), now), Ok(Admitted::Counted));
    assert_eq!(table.request(client(5), now), Ok(()), "nothing is known");
}

#[test]
fn coming_back_does_not_refill_a_bucket() {
    let now = Instant::now();
    let mut table = ClientTable::new(limits(), 3, 7);
    let mut answered = 0;
    for _ in 0..20 {
        table.connect(client(0), now).unwrap();
        answered += u32::from(table.request(client(0), now).is_ok());
        table.disconnect(client(0), now);
    }
    assert_eq!(answered, 4);
}

#[test]
fn without_limits_everything_passes_and_nothing_stays() {
    let now = Instant::now();
    let mut table = ClientTable::new(PerClient::default(), 3, 7);
    for _ in 0..1000 {
        table.connect(client(0), now).unwrap();
        assert_eq!(table.request(client(0), now), Ok(()));
    }
    assert_eq!(
        table.reserve(client(0), now, u64::MAX),
        Reservation::at_once(u64::MAX)
    );
    for _ in 0..1000 {
        table.disconnect(client(0), now);
    }
    assert!(table.is_empty());
}

#[test]
fn a_client_costs_little_memory() {
    assert!(size_of::<Entry>() <= 40, "{}", size_of::<Entry>());
    assert!(size_of::<(Prefix, Entry)>() <= 64);
}
