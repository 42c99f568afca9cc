//! A picture of a lab's figures, as SVG: goodput by scenario, ours and others'.
//!
//! Bars lie beside what the links could carry, each with its figure, so that it can be read without
//! colours too. It must never leave out a trial because it looks bad, nor draw from anything but the
//! figures that a run wrote.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

/// What is drawn of one trial.
#[derive(Debug)]
struct Bar {
    contender: String,
    goodput_mbit_per_s: f64,
}

/// The trials of one scenario with the same nodes.
#[derive(Debug)]
struct Group {
    title: String,
    links_mbit_per_s: f64,
    bars: Vec<Bar>,
}

const WIDTH: f64 = 900.0;
/// Where bars begin and how long the longest may be.
const LEFT: f64 = 250.0;
const LENGTH: f64 = 560.0;
const TOP: f64 = 76.0;
const BAR: f64 = 15.0;
const GAP: f64 = 16.0;
/// Room for a figure.
const FIGURE: f64 = 32.0;
/// Colours that are told apart by most eyes (after Okabe and Ito), by contender; others are grey.
const COLOURS: [(&str, &str); 4] = [
    ("overspill", "#0072b2"),
    ("overspill, told", "#56b4e9"),
    ("nginx split", "#d55e00"),
    ("nginx alone", "#8a6d00"),
];

/// The picture of the figures that `--json` wrote.
pub(super) fn svg(figures: &Value) -> Result<String> {
    let groups = groups(figures).context("these are not the figures of a lab")?;
    let rates = groups.iter().map(|group| group.links_mbit_per_s);
    let longest = rates.fold(1.0, f64::max);
    let mut bars = String::new();
    let mut y = TOP;
    for group in &groups {
        y = draw(&mut bars, group, y, longest) + GAP;
    }
    let legend = legend(&groups);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{y}\" fill=\"#ffffff\"/>\n\
         <text x=\"20\" y=\"28\" font-size=\"14\">Goodput in Mbit/s: what arrived of downloads that \
         came out right; the frame is what the links could carry</text>\n{legend}{bars}</svg>"
    ))
}

/// The trials, those of the server alone with each group that has mirrors.
fn groups(figures: &Value) -> Option<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for scenario in figures["scenarios"].as_array()? {
        let name = scenario["scenario"].as_str()?;
        for outcome in scenario["outcomes"].as_array()? {
            let title = format!("{name} {}", outcome["variant"].as_str()?);
            let bar = Bar {
                contender: outcome["contender"].as_str()?.to_owned(),
                goodput_mbit_per_s: outcome["goodput_mbit_per_s"].as_f64()?,
            };
            let links_mbit_per_s = outcome["links_mbit_per_s"].as_f64()?;
            match groups.last_mut().filter(|group| group.title == title) {
                Some(group) => {
                    group.links_mbit_per_s = group.links_mbit_per_s.max(links_mbit_per_s);
                    group.bars.push(bar);
                }
                None => groups.push(Group {
                    title,
                    links_mbit_per_s,
                    bars: vec![bar],
                }),
            }
        }
    }
    Some(groups)
}

/// Draws a group from `y` on; where it ends.
fn draw(out: &mut String, group: &Group, y: f64, longest: f64) -> f64 {
    let height = BAR * group.bars.len() as f64;
    let scale = LENGTH / longest;
    let (x, middle) = (LEFT - 12.0, y + height / 2.0 + 4.0);
    let (title, links) = (group.title.trim(), group.links_mbit_per_s * scale);
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{middle}\" text-anchor=\"end\">{title}</text>\n\
         <rect x=\"{LEFT}\" y=\"{}\" width=\"{links:.1}\" height=\"{}\" fill=\"none\" \
         stroke=\"#999999\"/>",
        y - 2.0,
        height + 4.0
    );
    for (at, bar) in group.bars.iter().enumerate() {
        let (top, wide) = (y + BAR * at as f64, bar.goodput_mbit_per_s * scale);
        let (colour, rate) = (colour(&bar.contender), bar.goodput_mbit_per_s);
        let _ = writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{}\" width=\"{wide:.1}\" height=\"{}\" fill=\"{colour}\"/>\n\
             <text x=\"{:.1}\" y=\"{}\" font-size=\"11\">{rate:.0}</text>",
            top + 1.0,
            BAR - 2.0,
            LEFT + figure_at(wide, links) + 6.0,
            top + BAR - 3.5
        );
    }
    y + height
}

/// Where a figure begins: behind its bar, unless it would lie on the frame.
fn figure_at(bar: f64, frame: f64) -> f64 {
    let is_on_frame = (0.0..FIGURE).contains(&(frame - bar));
    if is_on_frame { frame } else { bar }
}

fn colour(contender: &str) -> &'static str {
    let known = COLOURS.iter().find(|(name, _)| *name == contender);
    known.map_or("#888888", |(_, colour)| colour)
}

/// The contenders there are, in the order of the colours.
fn legend(groups: &[Group]) -> String {
    let mut legend = String::new();
    let is_there = |name: &str| {
        let mut bars = groups.iter().flat_map(|group| &group.bars);
        bars.any(|bar| bar.contender == name)
    };
    let there = COLOURS.iter().filter(|(name, _)| is_there(name));
    for (at, (name, colour)) in there.enumerate() {
        let x = LEFT + 150.0 * at as f64;
        let _ = writeln!(
            legend,
            "<rect x=\"{x}\" y=\"44\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\n\
             <text x=\"{}\" y=\"54\">{name}</text>",
            x + 18.0
        );
    }
    legend
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::json;

    use super::*;

    #[test]
    fn every_trial_is_drawn_with_its_figure() {
        let outcome = |contender: &str, goodput: f64| {
            json!({
                "variant": "N=1", "contender": contender,
                "links_mbit_per_s": 200.0, "goodput_mbit_per_s": goodput,
            })
        };
        let outcomes = [outcome("overspill", 197.4), outcome("nginx split", 1.6)];
        let figures = json!({"scenarios": [{"scenario": "equal", "outcomes": outcomes}]});
        let svg = svg(&figures).unwrap();
        for part in [
            ">equal N=1<",
            ">197<",
            ">2<",
            ">nginx split<",
            "width=\"552.7\"",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert!(super::svg(&json!({"scenarios": 1})).is_err());
    }

    #[test]
    fn the_picture_in_the_documentation_is_that_of_its_figures() {
        let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
        let figures = fs::read_to_string(images.join("lab.json")).unwrap();
        let figures = serde_json::from_str(&figures).unwrap();
        let picture = fs::read_to_string(images.join("lab.svg")).unwrap();
        assert!(
            format!("{}\n", svg(&figures).unwrap()) == picture,
            "make it again: cargo xtask lab --plot docs/images/lab.json > docs/images/lab.svg"
        );
    }
}
