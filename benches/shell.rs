//! What parts of the shell cost by themselves: `cargo bench --bench shell`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on ends")]

#[path = "rig/debits.rs"]
#[expect(dead_code, reason = "shared with the rig")]
mod debits;

use actix_web::{App, test, web};
use bappy::environment::{SystemClock, SystemIds};
use bappy::http::edge::{Edge, EdgeSettings};
use bappy::http::envelope::Success;
use bappy::http::limits::RequestLimits;
use bappy::identity::{Identity, IdentityConfig, http_client};
use bappy::sandbox::identity::{IdentitySimConfig, RunningIdentitySim, SandboxClient, start};
use bappy_actors::model::{Money, OrgId, PlanId};
use bappy_actors::ports::{Clock, Ids, WalletRow};
use bappy_actors::wallet::state;
use debits::{Debits, What};
use divan::Bencher;
use divan::counter::ItemsCount;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tokens that were never seen before: so many misses can be measured.
const TOKENS: usize = 400;

fn main() {
    divan::main();
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime starts"))
}

fn provider() -> &'static RunningIdentitySim {
    static PROVIDER: OnceLock<RunningIdentitySim> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let client = SandboxClient {
            id: "acme".to_owned(),
            secret: "secret".to_owned(),
            organization: Some("acme".to_owned()),
        };
        let listen = "127.0.0.1:0".parse().unwrap();
        start(IdentitySimConfig::new(listen, vec![client])).unwrap()
    })
}

fn tokens(count: usize) -> Vec<String> {
    let url = format!("{}/protocol/openid-connect/token", provider().issuer());
    let form =
        [("grant_type", "client_credentials"), ("client_id", "acme"), ("client_secret", "secret")];
    let http = http_client().unwrap();
    let token = || async {
        let answer = http.post(&url).form(&form).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    };
    runtime().block_on(async {
        let mut tokens = Vec::with_capacity(count);
        for _ in 0..count {
            tokens.push(token().await);
        }
        tokens
    })
}

fn identity() -> Identity {
    let clock = Arc::new(SystemClock::default());
    let config = IdentityConfig::new(provider().issuer().to_owned());
    Identity::new(config, http_client().unwrap(), Arc::new(move || clock.now())).unwrap()
}

/// A token that was verified before.
#[divan::bench]
fn token_cache_hit(bencher: Bencher) {
    let (identity, tokens) = (identity(), tokens(1));
    runtime().block_on(identity.verify(&tokens[0])).unwrap();
    bencher.bench_local(|| runtime().block_on(identity.verify(&tokens[0])).unwrap());
}

/// A token seen for the first time: RS256, its key at hand.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn token_cache_miss(bencher: Bencher) {
    let (identity, mut tokens) = (identity(), tokens(TOKENS));
    runtime().block_on(identity.verify(&tokens.pop().unwrap())).unwrap();
    bencher
        .with_inputs(|| tokens.pop().unwrap())
        .bench_local_values(|token| runtime().block_on(identity.verify(&token)).unwrap());
}

/// The answer to a top-up in its envelope, through the edge: request id, limits, log line.
#[divan::bench]
fn envelope(bencher: Bencher) {
    let system = actix_web::rt::System::new();
    let clock = Arc::new(SystemClock::default());
    let edge = Edge::new(EdgeSettings {
        new_id: Arc::new(|| "01a20d3e-8d35-726e-b597-92a8cd173709".to_owned()),
        now: Arc::new(move || clock.now()),
        limits: RequestLimits::default(),
        fast_path: None,
    });
    let app = App::new().wrap(edge).route("/", web::get().to(topped_up));
    let service = system.block_on(test::init_service(app));
    bencher.bench_local(|| {
        let request = test::TestRequest::get().uri("/").to_request();
        let answer = system.block_on(test::call_service(&service, request));
        assert!(answer.status().is_success());
        answer
    });
}

async fn topped_up() -> Success<&'static Value> {
    static ANSWER: OnceLock<Value> = OnceLock::new();
    Success::new(ANSWER.get_or_init(|| {
        json!({
            "link_id": "01a20d3e-8d35-726e-b597-92a8cd173709", "iccid": "8988247000000000019",
            "added": [{
                "id": "01a20d3e-8d35-726e-b597-92a8cd173709", "plan_name": "Europe 1 GB",
                "status": "active", "data_total_mb": 1000, "data_used_mb": 0,
                "coverage_countries": ["DE", "ES", "FR", "IT"], "amount_charged": "1.37",
            }],
            "removed": [], "amount_charged": "1.37", "currency": "USD",
        })
    }))
}

/// The statement that writes so many debits with their operations: its text and its arrays.
#[divan::bench(args = [1, 64, 256])]
fn batch_encode(bencher: Bencher, commands: usize) {
    let (ids, clock) = (Arc::new(SystemIds::default()), Arc::new(SystemClock::default()));
    let (org, plan) = (OrgId(ids.next()), PlanId(ids.next()));
    let debits = Debits::new(ids, clock.clone(), org, plan);
    let commands: Vec<_> = (0..commands).map(|_| debits.next(What::Operation)).collect();
    let wallet = WalletRow { balance: Money::from_micros(1_000_000), version: 41, fence: 0 };
    let decided = state::decide(org, wallet, &commands, clock.now());
    bencher
        .counter(ItemsCount::new(commands.len()))
        .bench_local(|| bappy::store::encoded_batch(&[&decided.batch]).unwrap());
}
