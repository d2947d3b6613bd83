//! `GET /plans`, `GET /plans/{plan_id}` and `GET /links/{identifier}/topup-plans`.

use crate::app::{TestApp, id};
use crate::on_both;
use serde_json::{Value, json};

async fn a_plan_tells_what_it_is(app: &mut TestApp) {
    let plan = app.plan("France 1 GB, 7 days").await;
    assert_eq!(app.acme.get(&format!("/plans/{}", id(&plan))).await.ok(), plan);
    for (field, value) in [
        ("name", json!("France 1 GB, 7 days")),
        ("retail_price", json!("1.18")),
        ("partner_cost", json!("1.18")),
        ("currency", json!("USD")),
        ("data_gb", json!(1)),
        ("data_mb", json!(1000)),
        ("validity_days", json!(7)),
        ("coverage_type", json!("country")),
        ("region", json!("EU")),
    ] {
        assert_eq!(plan[field], value, "{field}");
    }
    assert_eq!(plan["coverage"]["countries"], json!(["FR"]));
    assert_eq!(plan["coverage"]["total_countries"], 1);
    assert!(plan["coverage"]["total_operators"].as_u64().unwrap() > 0);
    let sponsors = plan["sponsor_profiles"].as_array().unwrap();
    assert!(sponsors.len() == 1 && sponsors[0]["color"].is_string());
    // The same plan in another wallet's currency.
    let euros = app.globex.get(&format!("/plans/{}", id(&plan))).await.ok();
    assert_eq!((&euros["retail_price"], &euros["currency"]), (&json!("1.06"), &json!("EUR")));
    let global = app.acme.get("/plans?coverage_type=global").await.ok();
    assert!(global["data"].as_array().unwrap().iter().all(|plan| plan["region"].is_null()));
}

async fn filters_narrow_the_list_and_go_together(app: &mut TestApp) {
    let all = app.acme.walk("/plans", 100).await;
    assert!(all.len() > 200);
    let sponsor = all[0]["sponsor_profiles"][0]["id"].as_str().unwrap();
    let has_sponsor = |plan: &Value| plan["sponsor_profiles"][0]["id"] == sponsor;
    let covers = |plan: &Value, code| {
        plan["coverage"]["countries"].as_array().unwrap().contains(&json!(code))
    };
    let count =
        |wanted: &dyn Fn(&Value) -> bool| all.iter().filter(|plan| wanted(plan)).count() as u64;
    for (query, expected) in [
        ("region=AF".to_owned(), count(&|plan| plan["region"] == "AF")),
        ("coverage_type=regional".to_owned(), count(&|plan| plan["coverage_type"] == "regional")),
        (format!("sponsor_profile={sponsor}"), count(&has_sponsor)),
        ("country=fr".to_owned(), count(&|plan| covers(plan, "FR"))),
        (
            "search=fRANCE".to_owned(),
            count(&|plan| plan["name"].as_str().unwrap().contains("France")),
        ),
        ("search=%25".to_owned(), 0),
        ("search=_".to_owned(), 0),
        ("search=nowhere".to_owned(), 0),
        (
            format!("sponsor_profile={sponsor}&country=FR&coverage_type=country"),
            count(&|plan| {
                has_sponsor(plan) && covers(plan, "FR") && plan["coverage_type"] == "country"
            }),
        ),
        ("sponsor_profile=nobody".to_owned(), 0),
    ] {
        assert_eq!(app.acme.total(&format!("/plans?{query}")).await, expected, "{query}");
    }
}

async fn filters_that_make_no_sense_are_refused(app: &mut TestApp) {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let topups = format!("/links/{}/topup-plans", id(&link));
    for (query, field) in [
        ("region=XX", "region"),
        ("coverage_type=galactic", "coverage_type"),
        ("country=FRA", "country"),
        ("country=F%00", "country"),
        ("search=%00", "search"),
        ("sponsor_profile=%00", "sponsor_profile"),
        ("search=%ff", "search"),
        ("page=0", "page"),
        ("page=x", "page"),
        ("per_page=0", "per_page"),
        ("per_page=101", "per_page"),
        ("cursor=x", "cursor"),
        ("search=a&search=b", "search"),
    ] {
        app.acme.get(&format!("/plans?{query}")).await.names_field(field);
        app.acme.get(&format!("{topups}?{query}")).await.names_field(field);
    }
}

async fn topup_plans_are_those_of_the_link_s_cards(app: &mut TestApp) {
    let link = app.acme.link(&app.plan("France 1 GB, 7 days").await).await;
    let path = format!("/links/{}/topup-plans", link["iccid"].as_str().unwrap());
    let sponsor = &link["sponsor_profile"];
    let fitting = app.acme.walk(&path, 100).await;
    let all = app.acme.walk("/plans", 100).await;
    let expected: Vec<_> =
        all.into_iter().filter(|plan| plan["sponsor_profiles"][0] == *sponsor).collect();
    assert_eq!(fitting, expected);
    let own = sponsor["id"].as_str().unwrap();
    assert_eq!(
        app.acme.total(&format!("{path}?sponsor_profile={own}")).await,
        fitting.len() as u64
    );
    assert_eq!(app.acme.total(&format!("{path}?sponsor_profile=other")).await, 0);
    assert!(app.acme.total(&format!("{path}?country=FR")).await < fitting.len() as u64);
}

async fn plans_are_walked_by_page_and_by_cursor_alike(app: &mut TestApp) {
    let walked = app.acme.walk("/plans", 83).await;
    let total = app.acme.total("/plans").await;
    assert_eq!(walked.len() as u64, total);
    let last = total.div_ceil(83);
    let mut paged = Vec::new();
    for page in 1..=last {
        let answer = app.acme.get(&format!("/plans?per_page=83&page={page}")).await.ok();
        let meta = &answer["meta"];
        assert_eq!((&meta["current_page"], &meta["last_page"]), (&json!(page), &json!(last)));
        assert_eq!((&meta["from"], &meta["per_page"]), (&json!((page - 1) * 83 + 1), &json!(83)));
        assert_eq!(meta["next_cursor"].is_null(), page == last);
        paged.extend(answer["data"].as_array().unwrap().clone());
    }
    assert_eq!(paged, walked);
    let past = app.acme.get(&format!("/plans?per_page=83&page={}", last + 1)).await.ok();
    assert_eq!((&past["data"], &past["meta"]["total"]), (&json!([]), &json!(total)));
    assert!(past["meta"]["from"].is_null() && past["meta"]["to"].is_null());
}

on_both! {
    AMPLE:
    a_plan_tells_what_it_is,
    filters_narrow_the_list_and_go_together,
    filters_that_make_no_sense_are_refused,
    topup_plans_are_those_of_the_link_s_cards,
    plans_are_walked_by_page_and_by_cursor_alike,
}
