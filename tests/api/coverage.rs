//! `GET /plans/{plan_id}/coverage` and `GET /plans/regions`.

use crate::app::{TestApp, id};
use crate::on_both;
use serde_json::{Value, json};

fn rows<'a>(value: &'a Value, field: &str) -> &'a Vec<Value> {
    value[field].as_array().unwrap()
}

async fn the_whole_coverage_adds_up_to_what_the_plan_says(app: &mut TestApp) {
    for query in ["coverage_type=global", "coverage_type=regional&region=EU", "country=JP"] {
        let plan = app.acme.get(&format!("/plans?{query}")).await.ok()["data"][0].clone();
        let coverage = app.acme.get(&format!("/plans/{}/coverage", id(&plan))).await.ok();
        assert_eq!(coverage["plan_id"], plan["id"]);
        for total in ["total_countries", "total_operators"] {
            assert_eq!(coverage[total], plan["coverage"][total], "{query}");
        }
        let countries = rows(&coverage, "countries");
        let codes: Vec<_> = countries.iter().map(|country| &country["code"]).collect();
        assert_eq!(codes, rows(&plan["coverage"], "countries").iter().collect::<Vec<_>>());
        let operators: usize = countries.iter().map(|c| rows(c, "operators").len()).sum();
        assert_eq!(coverage["total_operators"], operators);
        for country in countries {
            assert!(country["name"].as_str().unwrap().len() > 2 && country["region"].is_string());
            for operator in rows(country, "operators") {
                for field in ["name", "mcc", "mnc"] {
                    assert!(!operator[field].as_str().unwrap().is_empty(), "{operator}");
                }
                assert!(!rows(operator, "network_types").is_empty());
            }
        }
    }
}

async fn networks_have_our_names_and_each_is_told_once(app: &mut TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    let listed = json!([
        {"country": "QQ", "networks": [
            {"name": "Q Tel", "mcc": "999", "mnc": "01", "technologies": ["4G"]}]},
        {"country": "FR", "networks": [
            {"name": "Behind Us Ltd", "mcc": "208", "mnc": "10", "technologies": ["5G"]},
            {"name": "ORANGE F", "mcc": "208", "mnc": "01"}]},
        {"country": "FR", "networks": [{"name": "Orange", "mcc": "208", "mnc": "01"}]},
        {"country": "AQ"}
    ]);
    app.sql(format!("UPDATE plans SET coverage = '{listed}' WHERE name = 'France 1 GB, 7 days'"))
        .await;
    let coverage = app.acme.get(&format!("/plans/{}/coverage", id(&plan))).await.ok();
    assert_eq!(coverage["total_countries"], 3);
    assert_eq!(coverage["total_operators"], 3);
    let known = &app.acme.get("/info/operators?search=FR").await.ok()["data"][0];
    assert_eq!(known["name"], "Orange");
    let nowhere = |code: &str| json!({"code": code, "name": code, "region": null});
    let with = |mut country: Value, operators: Value| {
        country["operators"] = operators;
        country
    };
    let expected = json!([
        with(nowhere("AQ"), json!([])),
        with(
            json!({"code": "FR", "name": "France", "region": "EU"}),
            json!([
            {"name": "Orange", "mcc": "208", "mnc": "01", "network_types": known["network_types"]},
            {"name": "SFR", "mcc": "208", "mnc": "10", "network_types": ["5G"]}])
        ),
        with(
            nowhere("QQ"),
            json!([
            {"name": "Q Tel", "mcc": "999", "mnc": "01", "network_types": ["4G"]}])
        )
    ]);
    assert_eq!(coverage["countries"], expected);
}

async fn a_plan_that_cannot_be_bought_has_no_coverage(app: &mut TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    app.sql("UPDATE organization_plans SET enabled = FALSE".to_owned()).await;
    let unknown = "0195c5d4-1111-7000-8000-000000000000";
    for plan in [id(&plan), unknown, "no-id", "%00"] {
        app.acme.get(&format!("/plans/{plan}/coverage")).await.fails(404, "PLAN_NOT_FOUND");
    }
}

async fn all_six_regions_are_listed_with_their_plans(app: &mut TestApp) {
    let names = [
        ("EU", "Europe"),
        ("AF", "Africa"),
        ("AS", "Asia"),
        ("LA", "Latin America"),
        ("NA", "North America"),
        ("OC", "Oceania"),
    ];
    let told = app.acme.get("/plans/regions").await.ok();
    let mut expected = Vec::new();
    for (code, name) in names {
        let plans = app.acme.total(&format!("/plans?region={code}")).await;
        assert!(plans > 0);
        expected.push(json!({"code": code, "name": name, "plans": plans}));
    }
    assert_eq!(told, json!(expected));
    app.sql(
        "UPDATE organization_plans SET enabled = FALSE
         WHERE plan_id IN (SELECT id FROM plans WHERE region = 'AF')"
            .to_owned(),
    )
    .await;
    expected[1]["plans"] = json!(0);
    assert_eq!(app.acme.get("/plans/regions").await.ok(), json!(expected));
}

on_both! {
    AMPLE:
    the_whole_coverage_adds_up_to_what_the_plan_says,
    networks_have_our_names_and_each_is_told_once,
    a_plan_that_cannot_be_bought_has_no_coverage,
    all_six_regions_are_listed_with_their_plans,
}
