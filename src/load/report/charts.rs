//! The plots of a report, as SVG.

use crate::load::{SecondSummary, Summary};
use plotters::coord::ranged1d::{NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;

const WIDTH: u32 = 900;
const HEIGHT: u32 = 300;
const BLUE: RGBColor = RGBColor(37, 99, 200);
const GREEN: RGBColor = RGBColor(22, 140, 95);
const ORANGE: RGBColor = RGBColor(217, 119, 6);
const RED: RGBColor = RGBColor(200, 40, 50);
const GRID: RGBColor = RGBColor(228, 232, 238);
/// An axis has no more marks than can be told apart.
const MARKS_MAX: u32 = 12;
const FONT: (&str, u32) = ("sans-serif", 13);

/// Why a plot cannot be drawn.
#[derive(Debug, thiserror::Error)]
#[error("a plot cannot be drawn: {0}")]
pub struct ChartError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for ChartError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

/// A plot with what it shows.
pub struct Drawing {
    /// What it shows.
    pub title: &'static str,
    /// The plot.
    pub svg: String,
}

/// One line of a plot.
struct Line {
    name: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

/// The plots of a run: rate and latency by second, and the latency's distribution.
#[expect(clippy::cast_precision_loss, reason = "a plot is not that precise")]
pub fn draw(summary: &Summary) -> Result<Vec<Drawing>, ChartError> {
    let by_second = |value: fn(&SecondSummary) -> f64| -> Vec<(f64, f64)> {
        let seconds = (1_u32..).zip(&summary.by_second);
        seconds.map(|(second, figures)| (f64::from(second), value(figures))).collect()
    };
    let rate = [
        Line { name: "successes", color: BLUE, points: by_second(|s| s.ok as f64) },
        Line { name: "errors", color: RED, points: by_second(|s| s.errors as f64) },
    ];
    let latency = [
        Line { name: "max", color: ORANGE, points: by_second(|s| s.max_ms) },
        Line { name: "p99", color: BLUE, points: by_second(|s| s.p99_ms) },
        Line { name: "p50", color: GREEN, points: by_second(|s| s.p50_ms) },
    ];
    let nines = |(share, ms): &(f64, f64)| (-(1.0 - share).log10(), *ms);
    let distribution = [Line {
        name: "latency",
        color: BLUE,
        points: summary.distribution_ms.iter().map(nines).collect(),
    }];
    let seconds = |second: &f64| format!("{second:.0} s");
    let share = |nines: &f64| percentile(*nines);
    let plain = |value: &f64| format!("{value:.0}");
    let ms = |value: &f64| super::ms(*value);
    Ok(vec![
        Drawing { title: "Calls a second", svg: plot(&rate, &seconds, &plain)? },
        Drawing { title: "Latency by second", svg: plot(&latency, &seconds, &ms)? },
        Drawing {
            title: "Latency by percentile: so many calls were at most as slow",
            svg: plot(&distribution, &share, &ms)?,
        },
    ])
}

/// `90%`, `99%`, `99.9%` … for one, two, three nines.
fn percentile(nines: f64) -> String {
    let share = 100.0 * (1.0 - 10_f64.powf(-nines));
    let digits = [2.0, 3.0, 4.0, 5.0, 6.0].iter().take_while(|bound| nines > **bound).count();
    format!("{share:.digits$}%")
}

/// Whole numbers, so that an axis has its marks at seconds and at nines.
#[derive(Clone)]
struct Whole(f64);

impl Ranged for Whole {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = value / self.0.max(1e-9);
        limit.0 + (f64::from(limit.1 - limit.0) * share).round() as i32
    }

    fn key_points<Hint: plotters::coord::ranged1d::KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let most = u32::try_from(hint.max_num_points()).unwrap_or(MARKS_MAX).clamp(2, MARKS_MAX);
        let mut step = 1_u32;
        while self.0 / f64::from(step) > f64::from(most) {
            step *= if step.is_multiple_of(5) { 2 } else { 5 };
        }
        (0..=most).map(|n| f64::from(n * step)).take_while(|value| *value <= self.0).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        0.0..self.0
    }
}

impl ValueFormatter<f64> for Whole {}

fn plot(
    lines: &[Line],
    x_label: &dyn Fn(&f64) -> String,
    y_label: &dyn Fn(&f64) -> String,
) -> Result<String, ChartError> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let x_max = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let y_max = points().map(|(_, y)| *y).fold(0.0, f64::max) * 1.1;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(80)
            .build_cartesian_2d(Whole(x_max), 0.0..y_max.max(1e-3))?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(FONT)
            .x_label_formatter(x_label)
            .y_label_formatter(y_label)
            .y_labels(6)
            .draw()?;
        for line in lines {
            let color = line.color;
            let style = color.stroke_width(2);
            let drawn = chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?;
            drawn
                .label(line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        if lines.len() > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.8))
                .border_style(GRID)
                .label_font(FONT)
                .draw()?;
        }
        area.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nines_are_told_as_percentiles() {
        assert_eq!([0.0, 1.0, 2.0, 3.0].map(percentile), ["0%", "90%", "99%", "99.9%"]);
    }
}
