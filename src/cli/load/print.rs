//! A run's figures as text.

use super::super::output::Table;
use super::{Comparison, Figures, Report};
use crate::load::report::ms;
use crate::load::{Ended, Latency, MoneyCheck, Summary, WalletCheck};
use std::fmt::Write;

/// All of it.
pub fn report(report: &Report) -> String {
    let figures = match &report.figures {
        Figures::Alone(summary) => alone(summary),
        Figures::Compared(compared) => comparison(compared),
    };
    figures + &money(&report.money)
}

// Writing to a String does not fail.
fn alone(summary: &Summary) -> String {
    let mut text = format!(
        "{} on {}: {}\n{} calls in {:.1} s\n\n",
        summary.scenario,
        summary.target,
        summary.manner(),
        summary.requests,
        summary.seconds
    );
    let mut table =
        Table::new(["CALL", "RATE/S ", "P50 ", "P90 ", "P99 ", "P99.9 ", "MAX ", "ERRORS "]);
    let mut row = |name: &str, ok: u64, latency: Latency, errors: u64| {
        let [p50, p90, p99, p99_9, max] =
            [latency.p50, latency.p90, latency.p99, latency.p99_9, latency.max].map(ms);
        let rate = rate(ok, summary);
        table.row([name.to_owned(), rate, p50, p90, p99, p99_9, max, errors.to_string()]);
    };
    for call in &summary.calls {
        row(call.call, call.ok, call.latency_ms, call.errors);
    }
    if summary.calls.len() != 1 {
        row("all", summary.ok, summary.latency_ms, summary.requests - summary.ok);
    }
    text.push_str(&table.or(""));
    text.push_str(&remarks(summary));
    text
}

/// A kind of call's share of the rate.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn rate(ok: u64, summary: &Summary) -> String {
    format!("{:.0}", summary.rate * ok as f64 / summary.ok.max(1) as f64)
}

fn remarks(summary: &Summary) -> String {
    let mut text = String::from("\n");
    for (code, count) in &summary.errors {
        let _ = writeln!(text, "error {code}: {count}");
    }
    if summary.unsent > 0 {
        let _ = writeln!(
            text,
            "{} calls were due and never sent: the service, or --connections, does not bear this \
             rate",
            summary.unsent
        );
    }
    match summary.ended {
        Ended::Duration => {}
        Ended::Requests => text.push_str("ended after as many calls as were wanted\n"),
        Ended::Money => text.push_str(
            "ended early: no wallet can pay for another charge (`bappy org credit` pays in)\n",
        ),
    }
    if let Some(cpu) = summary.client_cpu_us {
        let _ = writeln!(text, "this tool used {cpu:.1} µs of CPU a call");
    }
    text
}

fn comparison(compared: &Comparison) -> String {
    let mut text = String::new();
    if let Some(round) = compared.rounds.first() {
        let (service, versus) = (&round.service, &round.versus);
        let _ = writeln!(text, "{}, in turns: {}", service.scenario, service.manner());
        let _ = writeln!(text, "A is {}\nB is {}\n", service.target, versus.target);
    }
    let mut table = Table::new([
        "ROUND ",
        "A RATE/S ",
        "A P99 ",
        "B RATE/S ",
        "B P99 ",
        "A / B RATE ",
        "A / B P99 ",
    ]);
    for (round, number) in compared.rounds.iter().zip(1_u32..) {
        let (a, b) = (&round.service, &round.versus);
        table.row([
            number.to_string(),
            format!("{:.0}", a.rate),
            ms(a.latency_ms.p99),
            format!("{:.0}", b.rate),
            ms(b.latency_ms.p99),
            format!("{:.2}", a.rate / b.rate),
            format!("{:.3}", a.latency_ms.p99 / b.latency_ms.p99),
        ]);
    }
    text.push_str(&table.or(""));
    let _ = writeln!(
        text,
        "\nmedians: rate A / B {:.2}, p99 A / B {:.3}",
        compared.rate_ratio, compared.p99_ratio
    );
    for (round, number) in compared.rounds.iter().zip(1_u32..) {
        for (name, summary) in [("A", &round.service), ("B", &round.versus)] {
            for (code, count) in &summary.errors {
                let _ = writeln!(text, "round {number}, {name}: error {code}: {count}");
            }
        }
    }
    text
}

fn money(check: &MoneyCheck) -> String {
    let line = |wallet: &WalletCheck| {
        let lost = match wallet.lost {
            0 => String::new(),
            lost => format!(", and {lost} answers were lost"),
        };
        format!(
            "{} {} before, {} after; the answers say {} was charged{lost}",
            wallet.before, wallet.currency, wallet.after, wallet.charged
        )
    };
    let wallets = super::super::output::counted(check.wallets as u64, "wallet");
    let verdict = if check.adds_up { "adds up" } else { "DOES NOT ADD UP" };
    let mut text = format!("money in {wallets} {verdict}: ");
    let totals: Vec<_> = check.totals.iter().map(line).collect();
    text.push_str(&totals.join("; "));
    text.push('\n');
    for wrong in &check.wrong {
        let _ = writeln!(text, "{}: {}", wrong.organization, line(wrong));
    }
    if !check.adds_up {
        text.push_str("(does anyone else spend from these wallets meanwhile?)\n");
    }
    text
}
