//! The plot: a bar for each case up to its median, a whisker to its 99th percentile, on a logarithmic scale.
//!
//! SVG without a library: it needs only rectangles and text.

use std::fmt::Write;

/// A bar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    /// The case's name.
    pub(super) name: String,
    /// Its median, milliseconds.
    pub(super) p50_ms: f64,
    /// Its 99th percentile, if there are enough samples.
    pub(super) p99_ms: Option<f64>,
    /// Its group, which determines the colour.
    pub(super) whose: Whose,
}

/// The group of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// A lower bound.
    Floor,
    /// Ours.
    Ours,
    /// Another sandbox.
    Peer,
}

/// Space left of the bars for the names, and right of them for the figures.
const NAMES_PX: f64 = 190.0;
const FIGURES_PX: f64 = 110.0;
const BARS_PX: f64 = 600.0;
/// Space above the bars for title, legend and scale.
const HEAD_PX: f64 = 74.0;
const ROW_PX: f64 = 20.0;
const BAR_PX: f64 = 12.0;

/// The plot, under `title`.
pub(super) fn svg(title: &str, bars: &[Bar]) -> String {
    let bars: Vec<&Bar> = bars.iter().filter(|bar| bar.p50_ms > 0.0).collect();
    let scale = Scale::of(&bars);
    let (width, height) = (NAMES_PX + BARS_PX + FIGURES_PX, HEAD_PX + ROW_PX * bars.len() as f64 + ROW_PX);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">{}</text>\n",
        escaped(title)
    );
    let mut line = |text: std::fmt::Arguments| {
        // Writing to a String cannot fail.
        let _ = svg.write_fmt(text).and_then(|()| svg.write_char('\n'));
    };
    let legend = [
        (Whose::Floor, "floor"),
        (Whose::Ours, "python-sandbox"),
        (Whose::Peer, "others; bar: p50, line: to p99, milliseconds"),
    ];
    let mut x = 10.0;
    for (whose, word) in legend {
        line(format_args!(
            "<rect x=\"{x:.0}\" y=\"31\" width=\"12\" height=\"12\" fill=\"{}\"/>",
            whose.colour()
        ));
        line(format_args!("<text x=\"{:.0}\" y=\"41\">{word}</text>", x + 17.0));
        x += 130.0;
    }
    for power in scale.first..=scale.last {
        let ms = 10f64.powi(power);
        let x = scale.x(ms);
        line(format_args!(
            "<line x1=\"{x:.1}\" y1=\"{HEAD_PX:.0}\" x2=\"{x:.1}\" y2=\"{:.0}\" stroke=\"#dddddd\"/>",
            height - ROW_PX
        ));
        line(format_args!(
            "<text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{ms}</text>",
            HEAD_PX - 6.0
        ));
    }
    for (row, bar) in bars.iter().enumerate() {
        let top = HEAD_PX + ROW_PX * row as f64 + (ROW_PX - BAR_PX) / 2.0;
        let (middle, base) = (top + BAR_PX / 2.0, top + BAR_PX - 2.0);
        let (left, end) = (scale.x(10f64.powi(scale.first)), scale.x(bar.p50_ms));
        line(format_args!(
            "<text x=\"{:.0}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text>",
            NAMES_PX - 8.0,
            escaped(&bar.name)
        ));
        line(format_args!(
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR_PX:.0}\" fill=\"{}\"/>",
            end - left,
            bar.whose.colour()
        ));
        let mut last = end;
        if let Some(p99_ms) = bar.p99_ms {
            last = scale.x(p99_ms);
            line(format_args!(
                "<path d=\"M{end:.1} {middle:.1}H{last:.1}M{last:.1} {top:.1}v{BAR_PX:.0}\" stroke=\"#222222\" \
                 fill=\"none\"/>"
            ));
        }
        line(format_args!("<text x=\"{:.1}\" y=\"{base:.1}\">{}</text>", last + 6.0, figure(bar.p50_ms)));
    }
    svg + "</svg>\n"
}

/// Milliseconds with the significant digits.
fn figure(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.0}") }
}

impl Whose {
    fn colour(self) -> &'static str {
        match self {
            Self::Floor => "#9a9a9a",
            Self::Ours => "#2a7fb8",
            Self::Peer => "#d98c3a",
        }
    }
}

/// A logarithmic scale from one power of ten to another.
#[derive(Debug, PartialEq, Eq)]
struct Scale {
    first: i32,
    last: i32,
}

impl Scale {
    /// The smallest scale that contains all bars; one decade without bars.
    fn of(bars: &[&Bar]) -> Self {
        let values = || bars.iter().flat_map(|bar| [Some(bar.p50_ms), bar.p99_ms].into_iter().flatten());
        let power = |found: Option<f64>, round: fn(f64) -> f64| {
            // Between microseconds and days: a run has no values beyond.
            let power = round(found.unwrap_or(1.0).log10()).clamp(-6.0, 9.0);
            (-6..=9).find(|whole| f64::from(*whole) >= power).unwrap_or(0)
        };
        let first = power(values().reduce(f64::min), |power| (power - 1e-9).floor());
        let last = power(values().reduce(f64::max), f64::ceil);
        Self { first, last: last.max(first + 1) }
    }

    /// The position of a value.
    fn x(&self, ms: f64) -> f64 {
        let decades = f64::from(self.last - self.first);
        NAMES_PX + (ms.log10() - f64::from(self.first)) / decades * BARS_PX
    }
}

/// Text with XML's escapes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, p50_ms: f64, p99_ms: Option<f64>, whose: Whose) -> Bar {
        Bar { name: name.to_owned(), p50_ms, p99_ms, whose }
    }

    #[test]
    fn the_scale_holds_every_bar() {
        let bars = [bar("a", 0.3, Some(0.9), Whose::Floor), bar("b", 12.0, Some(260.0), Whose::Peer)];
        let scale = Scale::of(&bars.iter().collect::<Vec<_>>());
        assert_eq!(scale, Scale { first: -1, last: 3 });
        assert_eq!((scale.x(0.1), scale.x(1000.0)), (NAMES_PX, NAMES_PX + BARS_PX));
        assert_eq!(scale.x(10.0), NAMES_PX + BARS_PX / 2.0);
        assert_eq!(Scale::of(&[]).last, Scale::of(&[]).first + 1);
        // A value on a decade gets a visible bar.
        assert_eq!(Scale::of(&[&bars[0], &bar("c", 0.1, None, Whose::Ours)]).first, -2);
    }

    #[test]
    fn every_case_has_a_bar_and_those_with_p99_a_whisker() {
        let bars = [
            bar("fork", 1.0, Some(10.0), Whose::Floor),
            bar("a<b", 100.0, None, Whose::Ours),
            bar("none", 0.0, None, Whose::Peer),
        ];
        let svg = svg("1 & 2", &bars);
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(svg.contains(">1 &amp; 2</text>") && svg.contains(">a&lt;b</text>"), "{svg}");
        assert_eq!(svg.matches("<path").count(), 1);
        assert!(!svg.contains("none</text>"), "what has no time has no bar");
        // From 0.1 to 100 in three decades of 200 pixels.
        assert!(
            svg.contains("<rect x=\"190.0\" y=\"78.0\" width=\"200.0\" height=\"12\" fill=\"#9a9a9a\"/>"),
            "{svg}"
        );
        assert!(svg.contains("<path d=\"M390.0 84.0H590.0M590.0 78.0v12\""), "{svg}");
        assert!(svg.contains("width=\"600.0\" height=\"12\" fill=\"#2a7fb8\"/>"), "{svg}");
    }
}
