//! Help and wrong usage, which need no database.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

fn bappy(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bappy")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_command_has_help() {
    for command in [
        "audit",
        "org create",
        "org list",
        "org show",
        "org credit",
        "org adjust",
        "org suspend",
        "org activate",
        "org set",
        "org add-client",
        "plan sync",
        "plan import",
        "plan list",
        "plan enable",
        "plan disable",
        "plan price",
        "sim import",
        "sim list",
        "operations list",
        "operations resolve",
    ] {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let (code, out, _) = bappy(&args);
        assert!(code == 0 && out.contains(&format!("Usage: bappy {command}")), "{out}");
        assert!(out.contains("--json") && out.contains("--config"), "{out}");
        assert!(!out.contains("  -h, --help\n\n"), "{out}");
    }
}

#[test]
fn a_variable_that_is_no_text_is_told_or_somebody_elses() {
    let nowhere = "sqlite:/nonexistent/bappy.db";
    let with = |key: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bappy"));
        command.args(["org", "list"]).env("BAPPY_DATABASE__URL", nowhere);
        let output = command.env(key, OsStr::from_bytes(b"\xff")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, err) = with("BAPPY_LOG__LEVEL");
    assert!(code == Some(1) && err.contains("BAPPY_LOG__LEVEL must be text"), "{code:?} {err}");
    let (code, err) = with("SOMEBODY_ELSES");
    assert!(code == Some(1) && !err.contains("SOMEBODY_ELSES"), "{code:?} {err}");
}

#[test]
fn the_sandbox_takes_no_file_and_the_document_is_json() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bappy"));
    command.args(["sandbox", "--data", "/dev/null/bappy"]);
    let output = command.env("BAPPY_CONFIG", "/etc/bappy/bappy.toml").output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && !err.contains("BAPPY_CONFIG"), "{err}");
    assert_eq!(bappy(&["openapi", "--json"]), bappy(&["openapi"]));
}

#[test]
fn how_prices_follow_is_told_by_the_help() {
    let (_, out, _) = bappy(&["plan", "sync", "--help"]);
    for words in ["rounded half up", "by hand", "stay in force", "EUR=0.90"] {
        assert!(out.split_whitespace().collect::<Vec<_>>().join(" ").contains(words), "{out}");
    }
    let (_, out, _) = bappy(&["plan", "import", "--help"]);
    assert!(out.contains("plan_id,name,data_mb,validity_days,wholesale_price"), "{out}");
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    for (args, word) in [
        (&["org", "create", "acme", "--name", "A", "--currency", "usd"][..], "ISO 4217"),
        (&["org", "create", "acme", "--name", "A"], "--currency"),
        (&["org", "credit", "acme", "0"], "above zero"),
        (&["org", "credit", "acme", "-5"], "above zero"),
        (&["org", "credit", "acme", "five"], "12.50"),
        (&["org", "adjust", "acme", "0", "--reason", "r"], "zero"),
        (&["org", "adjust", "acme", "-1"], "--reason"),
        (&["org", "set", "acme"], "--name"),
        (&["plan", "enable", "--org", "acme"], "--all"),
        (&["plan", "enable", "--org", "acme", "p", "--all"], "--all"),
        (&["plan", "sync", "--markup", "x"], "percentage"),
        (&["plan", "sync", "--rate", "EUR"], "EUR=0.90"),
        (&["plan", "price", "--org", "acme", "p", "-1"], "below zero"),
        (&["load"], "SCENARIO"),
        (&["load", "odd"], "topup"),
        (&["load", "topup", "--connections", "0"], "--connections"),
        (&["load", "topup", "--duration", "0"], "above zero"),
        (&["load", "topup", "--duration", "soon"], "10s, 5m or 1h"),
        (&["load", "topup", "--client", "acme"], "ID:SECRET"),
        (&["load", "topup", "--rounds", "2"], "--versus"),
        (&["load", "topup", "--url", "https://api.example.com"], "--spend-max"),
        (&["operations", "list", "--state", "odd"], "pending"),
        (&["operations", "resolve", "odd"], "operation"),
    ] {
        let (code, out, err) = bappy(args);
        assert!(code == 2 && out.is_empty() && err.contains(word), "{args:?}: {code} {err}");
    }
}
