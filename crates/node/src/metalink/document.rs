//! The XML of a Metalink document, byte for byte.
//!
//! It must never let a byte of a name or a URL become markup, nor a character into it that XML cannot
//! hold.

use std::{
    fmt::{self, Write},
    time::{Duration, UNIX_EPOCH},
};

use overspill_core::{path::CatalogPath, root::Sha256};
use overspill_http1::date::{IMF_FIXDATE_BYTES, UnixSeconds, write_imf_fixdate};

use super::Format;
use crate::holders::Ranked;

/// A document about one version of a file.
pub(crate) struct Document<'a> {
    pub(crate) path: &'a CatalogPath,
    pub(crate) size: u64,
    pub(crate) mtime_ns: i64,
    pub(crate) sha256: Sha256,
    /// Who has it, best first.
    pub(crate) holders: &'a [Ranked],
    /// Where the document itself is, to be read again.
    pub(crate) origin: &'a str,
}

/// The program's name and version, as both formats want it.
const GENERATOR: &str = concat!("Overspill/", env!("CARGO_PKG_VERSION"));
/// The best preference of Metalink 3; the least is 1.
const BEST_PREFERENCE: usize = 100;

impl Document<'_> {
    /// The document, with a line's end at its end.
    pub(crate) fn render(&self, format: Format) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        // Writing to a String cannot fail.
        let _ = match format {
            Format::Three => self.write_three(&mut xml),
            Format::Four => self.write_four(&mut xml),
        };
        xml
    }

    /// RFC 5854. Times are those of the file, so that the same fleet makes the same document.
    fn write_four(&self, xml: &mut String) -> fmt::Result {
        let (name, origin) = (self.name(), Text(self.origin));
        let published = humantime::format_rfc3339_seconds(UNIX_EPOCH + self.modified());
        writeln!(xml, "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">")?;
        writeln!(xml, "  <generator>{GENERATOR}</generator>")?;
        writeln!(xml, "  <origin dynamic=\"true\">{origin}</origin>")?;
        writeln!(xml, "  <published>{published}</published>")?;
        writeln!(xml, "  <file name=\"{}\">", Text(&name))?;
        writeln!(xml, "    <size>{}</size>", self.size)?;
        writeln!(xml, "    <hash type=\"sha-256\">{}</hash>", self.sha256)?;
        let path = self.path.to_url();
        for (priority, Ranked { holder, .. }) in (1..).zip(self.holders) {
            write!(xml, "    <url")?;
            if let Some(country) = holder.country() {
                write!(xml, " location=\"{country}\"")?;
            }
            let url = Text(&holder.url);
            writeln!(xml, " priority=\"{priority}\">{url}{}</url>", Text(&path))?;
        }
        writeln!(xml, "  </file>\n</metalink>")
    }

    /// The form that librepo, and so dnf, reads: version 3, the prefix `mm0` to the letter.
    fn write_three(&self, xml: &mut String) -> fmt::Result {
        let (name, seconds) = (self.name(), self.modified().as_secs());
        let mut date = [0; IMF_FIXDATE_BYTES];
        write_imf_fixdate(UnixSeconds(seconds), &mut date);
        writeln!(
            xml,
            "<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\" type=\"dynamic\" \
             pubdate=\"{}\" generator=\"{GENERATOR}\" \
             xmlns:mm0=\"http://fedorahosted.org/mirrormanager\">",
            String::from_utf8_lossy(&date)
        )?;
        writeln!(xml, "  <files>\n    <file name=\"{}\">", Text(&name))?;
        writeln!(xml, "      <mm0:timestamp>{seconds}</mm0:timestamp>")?;
        writeln!(xml, "      <size>{}</size>", self.size)?;
        writeln!(
            xml,
            "      <verification>\n        <hash type=\"sha256\">{}</hash>\n      </verification>",
            self.sha256
        )?;
        writeln!(xml, "      <resources maxconnections=\"1\">")?;
        for (at, Ranked { holder, .. }) in self.holders.iter().enumerate() {
            let scheme = holder.url.split(':').next().unwrap_or_default();
            write!(
                xml,
                "        <url protocol=\"{0}\" type=\"{0}\"",
                Text(scheme)
            )?;
            if let Some(country) = holder.country() {
                write!(xml, " location=\"{}\"", country.to_ascii_uppercase())?;
            }
            let (url, path) = (Text(&holder.url), self.path.to_url());
            let preference = BEST_PREFERENCE.saturating_sub(at).max(1);
            writeln!(
                xml,
                " preference=\"{preference}\">{url}{}</url>",
                Text(&path)
            )?;
        }
        writeln!(
            xml,
            "      </resources>\n    </file>\n  </files>\n</metalink>"
        )
    }

    /// What the file is saved as.
    fn name(&self) -> String {
        String::from_utf8_lossy(self.path.name()).into_owned()
    }

    /// Since 1970, in whole seconds; a time before is that of 1970, one past the year 9999 its end.
    fn modified(&self) -> Duration {
        const LAST_SECOND: u64 = 253_402_300_799;
        let seconds = self.mtime_ns.div_euclid(1_000_000_000);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0).min(LAST_SECOND))
    }
}

/// Text as the content of an element, or of an attribute in double quotes.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            // A parser would make a space of it.
            '\t' | '\n' | '\r' => write!(f, "&#{};", u32::from(char)),
            // Not in XML 1.0 (section 2.2), not even escaped.
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => f.write_char(char::REPLACEMENT_CHARACTER),
            char => f.write_char(char),
        })
    }
}
