//! A picture of slowdown by size, as SVG.
//!
//! Lines on a light ground, both axes logarithmic and named, each line labelled at its end, so that it
//! can be read without colours too. It must never leave out a row because it looks bad: what does not
//! fit is drawn at the border.

use std::fmt;

use super::study::DECADE_MIN;
use crate::stats::Decades;

/// A picture.
#[derive(Clone, Debug)]
pub struct Plot {
    pub(super) title: String,
    pub(super) lines: Vec<Line>,
}

/// One row: the p99 slowdown of each decade of size.
#[derive(Clone, Debug)]
pub(super) struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 520.0;
/// The frame: left, right, top, bottom.
const FRAME: [f64; 4] = [70.0, 740.0, 50.0, 460.0];
/// Decades of size that are shown, and of slowdown.
const SIZES: [i32; 2] = [3, 11];
const SLOWDOWNS: [i32; 2] = [0, 4];
/// Labels closer than this would lie upon each other.
const LABEL_GAP: f64 = 15.0;

/// Colours that are told apart by most eyes (after Okabe and Ito), dark enough for a light ground.
const COLOURS: [&str; 9] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#222222", "#888888",
    "#a50026",
];
const DASHES: [&str; 3] = ["none", "7 3", "2 3"];

impl Line {
    pub(super) fn new(name: &str, decades: &Decades) -> Self {
        let told = decades.iter().filter(|(_, d)| d.flows() >= DECADE_MIN);
        // A decade's point stands in its middle.
        let points = told.map(|(power, d)| (f64::from(power) + 0.5, d.quantile(0.99).log10()));
        Self {
            name: name.to_owned(),
            points: points.collect(),
        }
    }
}

/// Where a size and a slowdown are in the picture, both by their powers of ten.
fn place((size, slowdown): (f64, f64)) -> (f64, f64) {
    let [left, right, top, bottom] = FRAME;
    let share = |value: f64, [from, to]: [i32; 2]| {
        ((value - f64::from(from)) / f64::from(to - from)).clamp(0.0, 1.0)
    };
    let x = left + share(size, SIZES) * (right - left);
    let y = bottom - share(slowdown, SLOWDOWNS) * (bottom - top);
    (x, y)
}

impl fmt::Display for Plot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">"
        )?;
        writeln!(
            f,
            "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>"
        )?;
        let title = escaped(&self.title);
        writeln!(f, "<text x=\"70\" y=\"26\" font-size=\"14\">{title}</text>")?;
        axes(f)?;
        let mut labels = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            labels.extend(curve(f, at, line)?);
        }
        spread(&mut labels);
        for (y, at) in labels {
            let (colour, name) = (COLOURS[at % COLOURS.len()], escaped(&self.lines[at].name));
            let (x, y) = (FRAME[1] + 12.0, y + 4.0);
            writeln!(
                f,
                "<text x=\"{x}\" y=\"{y:.1}\" fill=\"{colour}\">{name}</text>"
            )?;
        }
        writeln!(f, "</svg>")
    }
}

fn axes(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [left, right, top, bottom] = FRAME;
    let grid = "stroke=\"#dddddd\"";
    for power in SIZES[0]..=SIZES[1] {
        let (x, _) = place((f64::from(power), 0.0));
        writeln!(f, "<path d=\"M{x:.1} {top}V{bottom}\" {grid}/>")?;
        let y = bottom + 18.0;
        let label = size_name(power);
        writeln!(
            f,
            "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>"
        )?;
    }
    for power in SLOWDOWNS[0]..=SLOWDOWNS[1] {
        let (_, y) = place((0.0, f64::from(power)));
        writeln!(f, "<path d=\"M{left} {y:.1}H{right}\" {grid}/>")?;
        let (x, y, label) = (left - 8.0, y + 4.0, 10_u32.pow(power.unsigned_abs()));
        writeln!(
            f,
            "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{label}</text>"
        )?;
    }
    let (x, y) = ((left + right) / 2.0, bottom + 42.0);
    writeln!(
        f,
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">size of the file</text>"
    )?;
    let y = (top + bottom) / 2.0;
    writeln!(
        f,
        "<text transform=\"translate(22 {y}) rotate(-90)\" text-anchor=\"middle\">\
         slowdown that 99 % stay below</text>"
    )
}

/// Draws a line; where its label goes, if there is anything to label.
fn curve(
    f: &mut fmt::Formatter<'_>,
    at: usize,
    line: &Line,
) -> Result<Option<(f64, usize)>, fmt::Error> {
    let places: Vec<(f64, f64)> = line.points.iter().copied().map(place).collect();
    let Some((_, last_y)) = places.last() else {
        return Ok(None);
    };
    let points: Vec<String> = places
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let (colour, dash) = (COLOURS[at % COLOURS.len()], DASHES[at % DASHES.len()]);
    writeln!(
        f,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
         stroke-dasharray=\"{dash}\"/>",
        points.join(" ")
    )?;
    Ok(Some((*last_y, at)))
}

/// Moves labels apart, downwards, and the lot up again if it left the frame.
fn spread(labels: &mut [(f64, usize)]) {
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    for at in 1..labels.len() {
        labels[at].0 = labels[at].0.max(labels[at - 1].0 + LABEL_GAP);
    }
    let below = labels
        .last()
        .map_or(0.0, |last| (last.0 - FRAME[3]).max(0.0));
    for label in labels {
        label.0 -= below;
    }
}

fn size_name(power: i32) -> String {
    let unit = ["B", "kB", "MB", "GB"];
    let step = (power / 3).clamp(0, 3);
    let amount = 10_u64.pow((power - 3 * step).unsigned_abs());
    format!("{amount} {}", unit[step.unsigned_abs() as usize])
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_its_axes_and_every_row() {
        let mut decades = Decades::default();
        for _ in 0..DECADE_MIN {
            decades.observe(5e6, 100.0);
            decades.observe(5e7, 1e9);
        }
        let names = ["a<b", "c"];
        let plot = Plot {
            title: "t".into(),
            lines: names.map(|name| Line::new(name, &decades)).to_vec(),
        };
        let svg = plot.to_string();
        for part in [
            "size of the file",
            "99 % stay below",
            ">100 GB<",
            ">a&lt;b<",
            ">c<",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        // The second point is far beyond the frame and drawn at its top.
        let middle = place((6.5, 2.0));
        let start = format!("points=\"{:.1},{:.1} ", middle.0, middle.1);
        assert!(svg.contains(&start) && svg.contains(",50.0\""), "{svg}");
    }

    #[test]
    fn labels_keep_their_distance() {
        let mut labels = vec![(455.0, 0), (100.0, 1), (101.0, 2), (458.0, 3)];
        spread(&mut labels);
        assert!(
            labels.is_sorted_by(|a, b| a.0 + LABEL_GAP <= b.0),
            "{labels:?}"
        );
        assert!(labels.iter().all(|(y, _)| *y <= FRAME[3]));
    }
}
