//! Changing a server while it serves.
//!
//! Only what differs is touched, so that an operator's order to use another policy outlives a change
//! of something else. It must never interrupt a flow.

use overspill_core::dispatch::Settings;
use overspill_node::{capacity_prior, raise_open_files};

use super::{Config, Running};

impl Running {
    /// Takes over what can be changed of `after`, given what was in force `before`: capacity,
    /// dispatch, the scan, the scrub, and the limits but for the lengths of heads.
    ///
    /// Rules and live settings are shared with whoever made the configuration; the rest needs a new
    /// start, and is left alone here.
    pub fn change(&self, before: &Config, after: &Config) {
        self.serving
            .change_limits(after.limits.within(raise_open_files()));
        if after.capacity != before.capacity {
            self.role.meter.set_prior(capacity_prior(after.capacity));
        }
        if after.dispatch != before.dispatch {
            self.change_dispatch(&before.dispatch, &after.dispatch);
        }
        self.live.scrub_rate.set(after.scrub_rate);
        if after.scan_every != before.scan_every {
            self.live.scan_every.set(after.scan_every);
            self.publisher.scan_now();
        }
    }

    fn change_dispatch(&self, before: &Settings, after: &Settings) {
        let dispatcher = &self.role.dispatcher;
        let policy = match after.policy == before.policy {
            true => dispatcher.policy(),
            false => after.policy,
        };
        dispatcher.change_settings(Settings {
            policy,
            ..after.clone()
        });
    }
}
