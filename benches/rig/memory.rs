//! What the service holds in memory: idle, for each live Link, and over minutes of load.

use crate::Failed;
use crate::load::{Run, load};
use crate::table::goal;
use crate::usage::rss_kb;
use crate::world::{Engine, Service, Tuning, World};
use clap::Args;
use std::time::Duration;

/// A service that has started is given so long to come to rest.
const REST: Duration = Duration::from_secs(5);
const SAMPLE_EVERY: Duration = Duration::from_secs(2);

#[derive(Args)]
pub struct Memory {
    /// Links that are live at a time
    #[arg(long, default_value_t = 100_000)]
    links: u32,
    /// Minutes of top-ups; 0 leaves them out
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Connections of the load
    #[arg(long, default_value_t = 64)]
    connections: u32,
}

impl Memory {
    pub async fn run(self) -> Result<(), Failed> {
        let world = World::new(Engine::Postgres, 1).await?;
        let service = world.serve(Tuning::default()).await?;
        tokio::time::sleep(REST).await;
        let idle = rss_kb(service.process.id())?;
        println!("idle: {:.1} MB", mb(idle));
        if self.minutes > 0 {
            self.slope(&world, &service).await?;
        }
        drop(service);
        if self.links > 0 {
            // Not the same: a Link that was topped up for minutes has thousands of plans.
            drop(world);
            self.live_links(&World::new(Engine::Postgres, 1).await?).await?;
        }
        println!();
        goal("idle RSS in MB", mb(idle), "≤", 40.0);
        Ok(())
    }

    /// RSS while the service is loaded, once a few seconds.
    async fn slope(&self, world: &World, service: &Service) -> Result<(), Failed> {
        let (pid, seconds) = (service.process.id(), self.minutes * 60);
        let run = Run { connections: self.connections, seconds, ..Run::default() };
        let watching = tokio::spawn(async move {
            let mut samples = Vec::new();
            for _ in 0..seconds / SAMPLE_EVERY.as_secs() {
                tokio::time::sleep(SAMPLE_EVERY).await;
                samples.extend(rss_kb(pid));
            }
            samples
        });
        let figures = load(world, service.at, &run).await?;
        let samples = watching.await?;
        // The first fifth fills caches and pools.
        let steady: Vec<f64> = samples.iter().skip(samples.len() / 5).map(|kb| mb(*kb)).collect();
        let (slope, noise) = trend(&steady);
        let a_minute = slope * 60.0 / SAMPLE_EVERY.as_secs_f64();
        println!(
            "{} minutes of top-ups at {:.0}/s: from {:.1} to {:.1} MB; after the first fifth {:+.2} \
             MB a minute, and single samples are {noise:.2} MB off that line",
            self.minutes,
            figures.rate(),
            samples.first().map_or(f64::NAN, |kb| mb(*kb)),
            samples.last().map_or(f64::NAN, |kb| mb(*kb)),
            a_minute,
        );
        #[expect(clippy::cast_precision_loss, reason = "some hundreds of samples")]
        let whole = (slope * steady.len() as f64).abs();
        // Four fifths of the time on that line, against what samples differ by anyway.
        goal("growth over the steady part ÷ noise", whole / noise.max(0.1), "≤", 2.0);
        Ok(())
    }

    /// What each of many Links makes a service hold: the operator's answers of one that was read, and
    /// the actor of one that was topped up, of which nothing that the operator said is remembered.
    async fn live_links(&self, world: &World) -> Result<(), Failed> {
        let maker = world.serve(self.tuning()).await?;
        let run = Run { links: self.links, connections: 32, ..Run::default() };
        eprintln!("making {} Links", self.links);
        load(world, maker.at, &Run { scenario: "read", seconds: 1, ..run.clone() }).await?;
        drop(maker);
        let mut each = 0.0;
        for scenario in ["read", "topup"] {
            each += self.live_after(world, &Run { scenario, ..run.clone() }).await?;
        }
        goal("kB for each live Link", each, "≤", 2.0);
        Ok(())
    }

    /// The kilobytes that a fresh service holds of each Link after one call for each.
    async fn live_after(&self, world: &World, run: &Run) -> Result<f64, Failed> {
        let service = world.serve(self.tuning()).await?;
        // What the first requests cost is not the Links'.
        load(world, service.at, &Run { links: 64, seconds: 5, ..run.clone() }).await?;
        let before = rss_kb(service.process.id())?;
        let requests = Some(u64::from(self.links));
        let figures =
            load(world, service.at, &Run { seconds: 300, requests, ..run.clone() }).await?;
        let after = rss_kb(service.process.id())?;
        #[expect(clippy::cast_precision_loss, reason = "kilobytes")]
        let each = (after as f64 - before as f64) / f64::from(self.links);
        println!(
            "{} Links, a {} of each at {:.0}/s: from {:.1} to {:.1} MB, {each:.2} kB each",
            self.links,
            run.scenario,
            figures.rate(),
            mb(before),
            mb(after)
        );
        Ok(each)
    }

    fn tuning(&self) -> Tuning {
        Tuning {
            cache_entries: self.links.max(100_000),
            // The first must still be there when the last has been read.
            usage_ttl_ms: 600_000,
            ..Tuning::default()
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "kilobytes")]
fn mb(kb: u64) -> f64 {
    kb as f64 / 1e3 * 1.024
}

/// The slope a sample of the line that fits best, and the standard deviation around it.
#[expect(clippy::cast_precision_loss, reason = "some hundreds of samples")]
fn trend(samples: &[f64]) -> (f64, f64) {
    let count = samples.len().max(1) as f64;
    let mean_x = (count - 1.0) / 2.0;
    let mean_y = samples.iter().sum::<f64>() / count;
    let each = || samples.iter().enumerate().map(|(x, y)| (x as f64 - mean_x, y - mean_y));
    let squares: f64 = each().map(|(x, _)| x * x).sum();
    let slope = each().map(|(x, y)| x * y).sum::<f64>() / squares.max(1e-9);
    let off: f64 = each().map(|(x, y)| (y - slope * x).powi(2)).sum();
    (slope, (off / count).sqrt())
}
