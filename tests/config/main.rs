//! The configuration: what wins, what is refused and in which words, and that the sample file
//! speaks of every key.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod documentation;

use bappy::config::{Config, ConfigError, LogFormat, Profile};
use secrecy::ExposeSecret;
use std::{path::Path, time::Duration};

fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bappy.toml");
    std::fs::write(&path, toml).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Config::load(&Profile::Service, Some(&path), variables)
}

/// The keys of the sample, set or not, each with its line.
fn sample() -> Vec<(String, String)> {
    let mut table = String::new();
    let mut keys = Vec::new();
    for line in include_str!("../../bappy.sample.toml").lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = format!("{}.", name.trim_end_matches(']'));
        }
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some((name, value)) = line.split_once(" = ")
            && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        {
            keys.push((format!("{table}{name}"), value.to_owned()));
        }
    }
    keys
}

#[test]
fn the_sample_has_a_line_for_every_key_and_no_other() {
    let mut known: Vec<_> = Config::keys().into_iter().map(str::to_owned).collect();
    let mut in_sample: Vec<_> = sample().into_iter().map(|(key, _)| key).collect();
    known.sort_unstable();
    in_sample.sort_unstable();
    assert_eq!(in_sample, known);
}

#[test]
fn what_the_sample_sets_is_the_default() {
    let from_sample = load(include_str!("../../bappy.sample.toml"), &[]).unwrap();
    let defaults = Config::load(&Profile::Service, None, []).unwrap();
    assert_eq!(format!("{from_sample:?}"), format!("{defaults:?}"));
    let url = |config: &Config| config.database.url.expose_secret().to_owned();
    assert_eq!(url(&from_sample), url(&defaults));
}

#[test]
fn every_line_of_the_sample_is_accepted_in_a_file_and_as_a_variable() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "sqlite://secret\n").unwrap();
    for (key, value) in sample() {
        let value = if key.ends_with("_file") {
            format!("{:?}", secret.path().to_str().unwrap())
        } else {
            value
        };
        load(&format!("{key} = {value}"), &[]).unwrap_or_else(|e| panic!("{key}: {e}"));
        let variable = format!("BAPPY_{}", key.to_uppercase().replace('.', "__"));
        load("", &[(&variable, value.trim_matches('"'))]).unwrap_or_else(|e| panic!("{key}: {e}"));
    }
}

#[test]
fn variables_win_over_the_file_and_the_file_over_the_defaults() {
    let toml = "workers = 3\n[operator]\nrate_per_second = 5\ncall_timeout_ms = 1500\n";
    let config = load(
        toml,
        &[
            ("BAPPY_OPERATOR__RATE_PER_SECOND", "7"),
            ("BAPPY_RATE_LIMIT__ENABLED", "false"),
            ("BAPPY_BASE_PATH", "/bappy"),
            ("BAPPY_WORKERS", ""),
            ("UNRELATED", "x"),
        ],
    )
    .unwrap();
    assert_eq!((config.workers, config.operator.rate_per_second), (3, 7));
    assert_eq!(config.operator.call_timeout, Duration::from_millis(1500));
    assert_eq!(config.operator.deadline, Duration::from_secs(18));
    assert_eq!((config.rate_limit.enabled, config.base_path.as_str()), (false, "/bappy"));
}

#[test]
fn a_wrong_value_is_refused_in_a_sentence_that_names_its_key() {
    for (toml, key) in [
        ("listen = 8080", "`listen`"),
        (r#"listen = "localhost""#, "`listen`"),
        (r#"base_path = "bappy""#, "`base_path`"),
        (r#"base_path = "/""#, "`base_path`"),
        (r#"base_path = "/bappy/""#, "`base_path`"),
        (r#"base_path = "/a b""#, "`base_path`"),
        (r#"base_path = "/a/../b""#, "`base_path`"),
        ("workers = 0", "`workers`"),
        ("workers = -1", "`workers`"),
        ("workers = 1.5", "`workers`"),
        ("workers = true", "`workers`"),
        (r#"workers = "4""#, "`workers`"),
        ("workers = 99999999999999999999999", "bappy.toml"),
        ("database.max_connections = 0", "`database.max_connections`"),
        (r#"database.url = "mysql://u:hunter2@h/d""#, "`database.url`"),
        ("database.url = 7", "`database.url`"),
        (r#"database.url = """#, "`database.url`"),
        ("database.migrate = 1", "`database.migrate`"),
        (r#"database.migrate = "true""#, "`database.migrate`"),
        (r#"database.url_file = "/no/such/file""#, "`database.url_file`"),
        (r#"identity.issuer = "id.example.com""#, "`identity.issuer`"),
        (r#"identity.jwks_url = "file:///etc/passwd""#, "`identity.jwks_url`"),
        (r#"identity.audience = ["a"]"#, "`identity.audience`"),
        (r#"identity.organization_claim = """#, "`identity.organization_claim`"),
        (r#"operator.url = "operator""#, "`operator.url`"),
        ("operator.password = 1234", "`operator.password`"),
        (r#"operator.username_file = """#, "`operator.username_file`"),
        ("operator.rate_per_second = 0", "`operator.rate_per_second`"),
        ("operator.concurrency_max = 0", "`operator.concurrency_max`"),
        ("operator.call_timeout_ms = 0", "`operator.call_timeout_ms`"),
        ("operator.deadline_ms = 86400001", "`operator.deadline_ms`"),
        ("operator.horizon_s = 0", "`operator.horizon_s`"),
        ("operator.breaker.failure_rate_percent = 101", "`operator.breaker.failure_rate_percent`"),
        ("operator.breaker.window_calls = 0", "`operator.breaker.window_calls`"),
        ("cache.usage_ttl_ms = 0", "`cache.usage_ttl_ms`"),
        ("rate_limit.per_second = 0", "`rate_limit.per_second`"),
        (r#"rate_limit.enabled = "off""#, "`rate_limit.enabled`"),
        (r#"metrics.listen = """#, "`metrics.listen`"),
        (r#"log.format = "xml""#, "`log.format`"),
        (r#"log.level = "loud""#, "`log.level`"),
        (r#"otlp.endpoint = "collector:4317""#, "`otlp.endpoint`"),
        ("colour = 1", "`colour`"),
        ("operator.rate_per_secund = 5", "`operator.rate_per_second`"),
        ("rate_per_second = 5", "`operator.rate_per_second`"),
        ("operator = 5", "`operator`"),
        ("listen.port = 5", "`listen.port`"),
        ("[database]\nurl = \"sqlite://a\"\nurl_file = \"b\"", "`database.url_file`"),
        ("workers = ", "bappy.toml"),
        ("workers = 1\nworkers = 2", "bappy.toml"),
    ] {
        let error = load(toml, &[]).map(|_| ()).expect_err(toml).to_string();
        assert!(error.contains(key), "{toml}: {error}");
        assert!(!error.contains('\n') && error.len() < 300, "{toml}: {error}");
        assert!(!error.contains("hunter2") && !error.contains("1234"), "{toml}: {error}");
    }
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, value) in [
        ("BAPPY_WORKERS", "many"),
        ("BAPPY_WORKERS", "4.0"),
        ("BAPPY_DATABASE__MIGRATE", "perhaps"),
        ("BAPPY_DATABASE__URL", "nothing"),
        ("BAPPY_OPERATOR__BREAKER__OPEN_MS", "-1"),
        ("BAPPY_OPERATOR__PASSWORD_FILE", "/no/such/file"),
        ("BAPPY_LOG__LEVEL", "a b"),
        ("BAPPY_OPERATOR", "x"),
        ("BAPPY_OPERATOR_URL", "http://operator"),
        ("BAPPY_COLOUR", "red"),
        ("BAPPY_PORT", "8080"),
    ] {
        let error = load("", &[(name, value)]).map(|_| ()).expect_err(name).to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
}

#[test]
fn a_variable_for_a_whole_table_does_not_wipe_it_out() {
    let error = load("operator.rate_per_second = 5", &[("BAPPY_OPERATOR", "x")]).unwrap_err();
    assert!(error.to_string().contains("BAPPY_OPERATOR"), "{error}");
}

#[test]
fn the_links_of_a_kubernetes_service_are_not_ours() {
    load(
        "",
        &[
            ("BAPPY_PORT", "tcp://10.0.0.1:80"),
            ("BAPPY_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("BAPPY_SERVICE_HOST", "10.0.0.1"),
            ("BAPPY_SERVICE_PORT_HTTP", "80"),
        ],
    )
    .unwrap();
}

#[test]
fn secrets_come_from_files_and_are_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let password = file("password", " hunter2 \r\n");
    let config = load(
        &format!("operator.password_file = {password:?}"),
        &[
            ("BAPPY_DATABASE__URL_FILE", &file("url", "postgres://u:hunter2@db/bappy\n")),
            ("BAPPY_OPERATOR__USERNAME_FILE", &file("user", "me")),
        ],
    )
    .unwrap();
    assert_eq!(config.operator.password.as_ref().unwrap().expose_secret(), " hunter2 ");
    assert_eq!(config.operator.username.as_deref(), Some("me"));
    assert_eq!(config.database.url.expose_secret(), "postgres://u:hunter2@db/bappy");
    assert!(!format!("{config:?}").contains("hunter2"));

    let password_file = format!("operator.password_file = {password:?}");
    let config = load(&password_file, &[("BAPPY_OPERATOR__PASSWORD", "0123")]).unwrap();
    assert_eq!(config.operator.password.unwrap().expose_secret(), "0123", "as it was written");
    let config =
        load("operator.password = \"x\"", &[("BAPPY_OPERATOR__PASSWORD_FILE", &password)]).unwrap();
    assert_eq!(config.operator.password.unwrap().expose_secret(), " hunter2 ");

    let empty = file("empty", "\n");
    let error = load("", &[("BAPPY_OPERATOR__PASSWORD_FILE", &empty)]).unwrap_err().to_string();
    assert!(error.contains("BAPPY_OPERATOR__PASSWORD_FILE") && error.contains("empty"), "{error}");
}

#[test]
fn a_line_that_is_not_toml_is_not_repeated() {
    let error = load("[operator]\npassword = \"hunter2\n", &[]).unwrap_err().to_string();
    assert!(error.contains("line 2") && !error.contains("hunter2"), "{error}");
}

#[test]
fn what_serve_needs_and_lacks_is_named_at_once() {
    let error = load("operator.username = \"u\"", &[]).unwrap().required().unwrap_err();
    for key in ["`identity.issuer`", "BAPPY_OPERATOR__URL", "`operator.password`"] {
        assert!(error.to_string().contains(key), "{error}");
    }
    assert!(!error.to_string().contains("operator.username"), "{error}");
    let config = load(
        "",
        &[
            ("BAPPY_IDENTITY__ISSUER", "https://id.example.com/realms/platform"),
            ("BAPPY_OPERATOR__URL", "https://op.example.com"),
            ("BAPPY_OPERATOR__USERNAME", "u"),
            ("BAPPY_OPERATOR__PASSWORD", "p"),
        ],
    )
    .unwrap();
    assert_eq!(config.required().unwrap().issuer, "https://id.example.com/realms/platform");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(&Profile::Service, Some(Path::new("/no/such.toml")), []).unwrap_err();
    assert!(error.to_string().contains("/no/such.toml"), "{error}");
}

#[test]
fn the_sandbox_needs_nothing_and_can_be_overridden() {
    let config = Config::sandbox(Path::new("data?")).unwrap();
    assert!(!config.rate_limit.enabled);
    // The simulators take free ports beside the API's, so their addresses are known once they run.
    assert!(config.operator.url.is_none() && config.identity.issuer.is_none());
    assert!(config.operator.username.is_some() && config.operator.password.is_some());
    assert_eq!(config.log.format, LogFormat::Pretty);
    assert_eq!(config.database.url.expose_secret(), "sqlite://data%3F/bappy.db");
    let profile = Profile::Sandbox { data: "d".into() };
    let variables = [("BAPPY_RATE_LIMIT__ENABLED".to_owned(), "true".to_owned())];
    assert!(Config::load(&profile, None, variables).unwrap().rate_limit.enabled);
}
