//! Reads of Links from the cache.

use crate::Failed;
use crate::load::{Run, load};
use crate::table::goal;
use crate::world::{Engine, World};
use clap::Args;
use std::net::SocketAddr;

#[derive(Args)]
pub struct Read {
    /// Rounds, in which both take their turn
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of each turn
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Connections of the load
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Links that are read
    #[arg(long, default_value_t = 64)]
    links: u32,
}

impl Read {
    pub async fn run(self) -> Result<(), Failed> {
        let world = World::new(Engine::Postgres, 1).await?;
        // Beside another process at work on the database a service remembers nothing.
        world.parts.database.close().await;
        let bare = world.serve_own("bare", None).await?;
        let service: SocketAddr = bare.beside;
        let run = Run {
            scenario: "read",
            connections: self.connections,
            seconds: self.seconds,
            warm_up: 2,
            links: self.links,
            ..Run::default()
        };
        // Makes the Links; then one of them is what the bare handler answers.
        load(&world, service, &Run { seconds: 1, ..run.clone() }).await?;
        let token = world.first_token().await?;
        let get = async |path: &str| {
            let request = world.client.get(format!("http://{service}/v1{path}"));
            let answer = request.bearer_auth(&token).send().await?.error_for_status()?;
            Ok::<_, Failed>(answer.text().await?)
        };
        let list: serde_json::Value = serde_json::from_str(&get("/links?per_page=1").await?)?;
        let id = list["data"]["data"][0]["id"].as_str().unwrap_or_default().to_owned();
        let body = get(&format!("/links/{id}")).await?;
        println!("GET /links/{{id}}, {} bytes, {} connections", body.len(), self.connections);
        let put = world.client.put(format!("http://{}/answer", bare.at)).body(body);
        put.send().await?.error_for_status()?;
        let run = Run { versus: Some((bare.at, self.rounds)), ..run };
        let figures = load(&world, service, &run).await?.0;
        for round in figures["rounds"].as_array().into_iter().flatten() {
            let rate = |side: &str| round[side]["rate"].as_f64().unwrap_or(f64::NAN);
            let p99 = |side: &str| round[side]["latency_ms"]["p99"].as_f64().unwrap_or(f64::NAN);
            println!(
                "service {:.0}/s (p99 {:.2} ms), bare handler {:.0}/s (p99 {:.2} ms)",
                rate("service"),
                p99("service"),
                rate("versus"),
                p99("versus")
            );
        }
        let ratio = figures["rate_ratio"].as_f64().unwrap_or(f64::NAN);
        goal("service ÷ bare handler, medians", ratio, "≥", 0.6);
        Ok(())
    }
}
