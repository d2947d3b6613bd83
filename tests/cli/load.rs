//! The load tool against a sandbox, each a process of its own, as whoever tries it has them.

use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const POLL: Duration = Duration::from_millis(20);
/// Below what Linux gives to outgoing connections, and not where other tests look for ports.
const PORTS: std::ops::Range<u16> = 14_000..18_000;

struct Sandbox {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three ports in a row that are free now, and that this process hands out once.
fn ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let places = (PORTS.end - PORTS.start) / 3;
    let first = u16::try_from(std::process::id() * 61 % u32::from(places)).unwrap();
    let free = |port: u16| {
        (0..3).all(|n| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port + n))).is_ok())
    };
    loop {
        let place = (first + NEXT.fetch_add(1, Ordering::Relaxed)) % places;
        if free(PORTS.start + place * 3) {
            return PORTS.start + place * 3;
        }
    }
}

impl Sandbox {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = ports();
        let child = bappy()
            .args(["sandbox", "--listen", &format!("127.0.0.1:{port}")])
            .env("BAPPY_METRICS__LISTEN", "127.0.0.1:0")
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut sandbox = Self { child, port, folder };
        let health = format!("http://127.0.0.1:{port}/health");
        let client = http();
        while client.get(&health).send().await.is_err() {
            assert!(sandbox.child.try_wait().unwrap().is_none(), "the sandbox ended");
            tokio::time::sleep(POLL).await;
        }
        sandbox
    }

    fn load(&self, scenario: &str, more: &[&str]) -> Command {
        let mut command = bappy();
        let token_url = format!(
            "http://127.0.0.1:{}/realms/platform/protocol/openid-connect/token",
            self.port + 2
        );
        command
            .args(["load", scenario, "--url", &format!("http://127.0.0.1:{}", self.port)])
            .args(["--token-url", &token_url, "--links", "3"])
            .args(more)
            .current_dir(self.folder.path());
        command
    }

    async fn run(&self, scenario: &str, more: &[&str]) -> Output {
        let mut command = self.load(scenario, more);
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    }

    /// The figures of a run that went well.
    async fn figures(&self, scenario: &str, more: &[&str]) -> Value {
        let output = self.run(scenario, &[more, &["--json"]].concat()).await;
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn operator(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/_control/{path}", self.port + 1)
    }

    /// A command on the sandbox's database.
    fn beside(&self, args: &[&str]) {
        let mut command = bappy();
        command.args(args).current_dir(self.folder.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

fn bappy() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bappy"));
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("BAPPY_")) {
        command.env_remove(key);
    }
    command
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().build().unwrap()
}

#[track_caller]
fn failed(output: &Output, code: i32, words: &[&str]) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    for word in words {
        assert!(err.contains(word), "{word}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_makes_its_links_measures_and_adds_up() {
    let sandbox = Sandbox::start().await;
    let report = sandbox.folder.path().join("report.html");
    let path = report.display().to_string();
    let some = ["--connections", "4", "--warm-up", "0", "--requests", "40", "--report", &path];
    let topups = sandbox.figures("topup", &some).await;
    assert_eq!((&topups["ok"], &topups["errors"]), (&json!(40), &json!({})));
    assert_eq!((&topups["ended"], &topups["unsent"]), (&json!("requests"), &json!(0)));
    let latency = &topups["latency_ms"];
    let ms = |which: &str| latency[which].as_f64().unwrap();
    assert!(0.0 < ms("p50") && ms("p50") <= ms("p99") && ms("p99") <= ms("max"), "{latency}");

    let money = &topups["money"];
    let amount = |which: &str| {
        let text = money["totals"][0][which].as_str().unwrap();
        text.parse::<rust_decimal::Decimal>().unwrap()
    };
    assert_eq!(money["adds_up"], true);
    assert_eq!(amount("before") - amount("after"), amount("charged"));
    assert!(amount("charged") > rust_decimal::Decimal::ZERO);
    // The Links are there now.
    let before = amount("after");
    let reads = sandbox.figures("read", &["--duration", "1s", "--warm-up", "0"]).await;
    let after = reads["money"]["totals"][0]["after"].as_str().unwrap().parse().unwrap();
    assert_eq!((before, reads["calls"].as_array().unwrap().len()), (after, 1));

    the_report_needs_nothing_else(&report);
    let compared = ["--warm-up", "0", "--requests", "5", "--rounds", "2", "--versus"];
    let other = format!("http://127.0.0.1:{}", sandbox.port);
    let compared = sandbox.figures("topup", &[&compared[..], &[&other]].concat()).await;
    assert_eq!(compared["rounds"].as_array().unwrap().len(), 2);
    assert!(compared["rate_ratio"].as_f64().unwrap() > 0.0);
    assert_eq!(compared["rounds"][1]["versus"]["ok"], 5);
}

fn the_report_needs_nothing_else(report: &PathBuf) {
    let html = std::fs::read_to_string(report).unwrap();
    assert_eq!(html.matches("<svg").count(), 3, "{html}");
    for outside in ["<script", "<link", "<img", "src=", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    for word in ["bappy load topup", "p99.9", "The money adds up"] {
        assert!(html.contains(word), "{word}");
    }
    assert!(!html.contains("{{"), "{html}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_ends_with_the_money_and_says_where_there_is_none() {
    let sandbox = Sandbox::start().await;
    let globex = ["--client", "globex:globex-secret"];
    let spent = sandbox.figures("topup", &globex).await;
    assert_eq!((&spent["ended"], &spent["errors"]), (&json!("money"), &json!({})));
    let again = sandbox.run("topup", &globex).await;
    failed(&again, 1, &["not enough balance", "globex", "bappy org credit"]);

    let limited = ["--spend-max", "20.00", "--warm-up", "0"];
    let limited = sandbox.figures("create", &limited).await;
    let charged = limited["money"]["totals"][0]["charged"].as_str().unwrap();
    let charged: rust_decimal::Decimal = charged.parse().unwrap();
    assert!(charged > 15.into() && charged <= 20.into(), "{limited}");

    let wrong = sandbox.run("topup", &["--client", "acme:wrong"]).await;
    failed(&wrong, 1, &["no token for client `acme`", "401"]);
    std::fs::write(sandbox.folder.path().join("token"), "not.a.token\n").unwrap();
    let refused = sandbox.run("read", &["--token-file", "token"]).await;
    failed(&refused, 1, &["/v1/organization", "401 UNAUTHORIZED"]);
    let mut away = bappy();
    away.args(["load", "read", "--token-file", "token", "--url", "http://127.0.0.1:9"]);
    let away = away.current_dir(sandbox.folder.path()).output().unwrap();
    failed(&away, 1, &["http://127.0.0.1:9/v1 cannot be reached"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_shows_in_every_call_that_it_held_up() {
    let sandbox = Sandbox::start().await;
    let warm = ["--warm-up", "0", "--requests", "1"];
    sandbox.figures("topup", &warm).await;
    let slow = json!({ "latency_ms": { "p50": 200, "p99": 200 } });
    http().put(sandbox.operator("faults")).json(&slow).send().await.unwrap();
    let run = ["--warm-up", "0", "--duration", "1s", "--connections", "1"];
    let closed = sandbox.figures("topup", &run).await;
    let open = sandbox.figures("topup", &[&run[..], &["--rate", "20"]].concat()).await;
    // Twenty calls of 200 ms each on one connection: the last was due three seconds before its end.
    let max = |figures: &Value| figures["latency_ms"]["max"].as_f64().unwrap();
    assert!(max(&open) > 2_900.0 && max(&closed) < max(&open) / 2.0, "{closed}\n{open}");
    assert_eq!((&open["ok"], &open["unsent"]), (&json!(20), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_does_not_add_up_fails_the_run() {
    let sandbox = Sandbox::start().await;
    let (one, others) = (["--warm-up", "0", "--requests", "1"], ["--warm-up", "0", "--rate", "5"]);
    sandbox.figures("topup", &one).await;
    let before = topups(&sandbox).await;
    let mut load = sandbox.load("topup", &[&others[..], &["--duration", "2s"]].concat());
    let running = load.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while topups(&sandbox).await == before {
        tokio::time::sleep(POLL).await;
    }
    sandbox.beside(&["org", "adjust", "acme", "-0.01", "--reason", "somebody else"]);
    let ended = tokio::task::spawn_blocking(|| running.wait_with_output()).await.unwrap().unwrap();
    failed(&ended, 1, &[]);
    let out = String::from_utf8_lossy(&ended.stdout);
    assert!(out.contains("DOES NOT ADD UP") && out.contains("acme: "), "{out}");
}

/// How many plans the operator has added.
async fn topups(sandbox: &Sandbox) -> usize {
    let journal = http().get(sandbox.operator("journal")).send().await.unwrap();
    let journal: Value = journal.json().await.unwrap();
    let items = journal["items"].as_array().unwrap();
    items.iter().filter(|item| item["operation"] == "add_plan").count()
}
