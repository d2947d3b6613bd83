//! The lists of cards.

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::Sim;

fn iccids(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|card| card["iccid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_of_cards_ascend_without_gaps_or_repetitions() {
    let sim = Sim::start().await;
    let list = "/api/sims?state=available&sponsor=northstar&kind=esim";
    let (_, all) = sim.get(&format!("{list}&limit=30")).await;
    let all = iccids(&all);
    assert!(all.is_sorted() && all.len() == 30);
    let mut walked: Vec<String> = Vec::new();
    for _ in 0..3 {
        let after = walked.last().map(|last| format!("&after={last}")).unwrap_or_default();
        walked.extend(iccids(&sim.get(&format!("{list}&limit=10{after}")).await.1));
    }
    assert_eq!(walked, all);
}

#[tokio::test]
async fn a_list_reserves_nothing() {
    let sim = Sim::start().await;
    assert_eq!(sim.free_iccid().await, sim.free_iccid().await);
}

#[tokio::test]
async fn cards_in_service_are_not_available() {
    let sim = Sim::start().await;
    let endpoint = sim.endpoint("op-1").await;
    let (_, free) = sim.get("/api/sims?state=available&sponsor=meridian&kind=esim&limit=5").await;
    assert!(!iccids(&free).contains(&endpoint["iccid"].as_str().unwrap().to_owned()));
    let (_, all) = sim.get("/api/sims?sponsor=meridian&kind=esim&limit=5").await;
    assert_eq!(all["items"][0]["iccid"], endpoint["iccid"]);
}

#[tokio::test]
async fn an_esim_has_an_activation_code_and_a_physical_card_has_none() {
    let sim = Sim::start().await;
    for (kind, coded) in [("esim", true), ("physical", false)] {
        let path = format!("/api/sims?state=available&sponsor=pacifica&kind={kind}&limit=2");
        let (_, list) = sim.get(&path).await;
        for card in list["items"].as_array().unwrap() {
            assert_eq!(
                (&card["kind"], card["sponsor"]["id"].as_str()),
                (&kind.into(), Some("pacifica"))
            );
            assert_eq!(card["smdp_address"].is_string(), coded, "{card}");
            assert_eq!(card["matching_id"].is_string(), coded, "{card}");
            let iccid = card["iccid"].as_str().unwrap();
            assert!(iccid.len() == 19 && iccid.starts_with("89"));
            let (status, read) = sim.get(&format!("/api/sims/{iccid}")).await;
            assert_eq!((status, &read["matching_id"]), (StatusCode::OK, &card["matching_id"]));
            assert_eq!(read["profile_state"], "released");
        }
    }
}

#[tokio::test]
async fn a_list_of_no_sponsor_or_no_size_is_refused() {
    let sim = Sim::start().await;
    for query in ["sponsor=none", "limit=0", "limit=5000", "after=12", "state=used", "kind=x"] {
        let (status, body) = sim.get(&format!("/api/sims?{query}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {body}");
    }
}
