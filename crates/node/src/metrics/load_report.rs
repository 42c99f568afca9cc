//! A node's load in a response, for balancers that ask for it: ORCA.
//!
//! [ORCA](https://github.com/cncf/xds/blob/main/xds/data/orca/v3/orca_load_report.proto) is the form
//! in which Envoy and gRPC take in how busy a node is. It goes out only when the request asks, by
//! `endpoint-load-metrics-format: TEXT` or `JSON`; whoever does not ask must never pay for it.

use std::fmt::Write;

use crate::identity::Reading;

/// A form of the report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LoadFormat {
    /// `{"name": value}`.
    Json,
    /// `name=value`.
    Text,
}

impl LoadFormat {
    /// What a request asks for; nothing if we do not know the form.
    pub(crate) fn asked(value: &[u8]) -> Option<Self> {
        if value.eq_ignore_ascii_case(b"TEXT") {
            Some(Self::Text)
        } else if value.eq_ignore_ascii_case(b"JSON") {
            Some(Self::Json)
        } else {
            None
        }
    }
}

/// The field with the report, as a line with its CRLF.
pub(crate) fn load_line(reading: &Reading, format: LoadFormat) -> String {
    let figures = [
        ("cpu_utilization", reading.pressure.cpu()),
        ("application_utilization", reading.pressure.utilization()),
        ("rps_fractional", reading.requests_per_s),
        ("eps", reading.errors_per_s),
    ];
    let mut line = String::from("endpoint-load-metrics: ");
    line.push_str(match format {
        LoadFormat::Json => "JSON {",
        LoadFormat::Text => "TEXT ",
    });
    for (at, (name, value)) in figures.into_iter().enumerate() {
        let separator = if at == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = match format {
            LoadFormat::Json => write!(line, "{separator}\"{name}\": {value:.4}"),
            LoadFormat::Text => write!(line, "{separator}{name}={value:.4}"),
        };
    }
    line.push_str(match format {
        LoadFormat::Json => "}\r\n",
        LoadFormat::Text => "\r\n",
    });
    line
}
