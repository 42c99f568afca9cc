//! Changing a mirror while it serves.
//!
//! It must never interrupt a flow, nor change what the server was told at joining.

use overspill_core::dispatch::Settings;
use overspill_node::{capacity_prior, raise_open_files};

use super::{Config, Running};

impl Running {
    /// Takes over what can be changed of `after`, given what was in force `before`: capacity,
    /// dispatch but for the zone, the scrub, and the limits but for the lengths of heads.
    ///
    /// Live settings are shared with whoever made the configuration; the rest needs a new start, and
    /// is left alone here.
    pub fn change(&self, before: &Config, after: &Config) {
        self.serving
            .change_limits(after.limits.within(raise_open_files()));
        if after.capacity != before.capacity {
            self.role.meter.set_prior(capacity_prior(after.capacity));
        }
        if after.dispatch != before.dispatch {
            let dispatcher = &self.role.dispatcher;
            let zone = dispatcher.look(|dispatcher| dispatcher.settings().zone.clone());
            dispatcher.change_settings(Settings {
                zone,
                ..after.dispatch.clone()
            });
        }
        self.scrub_rate.set(after.scrub_rate);
    }
}
