//! The client against the sandbox operator: the two sides of the protocol agree.

use crate::client;
use bappy::operator::OperatorClient;
use bappy::sandbox::operator::{OperatorSimConfig, RunningOperatorSim, start};
use bappy_actors::model::{ProfileState, SimKind};
use bappy_actors::ports::{
    AccessToken, CallError, CatalogueItem, Endpoint, EndpointStatus, InstanceState, NewEndpoint,
    Operator, Refusal, Removal, SimCard, UnknownCause,
};
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

struct Session {
    running: RunningOperatorSim,
    operator: OperatorClient,
    token: AccessToken,
}

impl Session {
    async fn start() -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = OperatorSimConfig { listen, state_file: None, seed: 1, workers: 1 };
        let running = start(config).await.unwrap();
        let operator = client(&format!("http://{}", running.addr()));
        let token = operator.login(SOON).await.unwrap();
        Self { running, operator, token }
    }

    async fn plan(&self) -> CatalogueItem {
        let page = self.operator.catalogue(&self.token, 1, 5, SOON).await.unwrap();
        page.items.into_iter().next().unwrap()
    }

    async fn cards(&self, sponsor: &str, after: Option<&str>) -> Vec<SimCard> {
        let kind = SimKind::Esim;
        self.operator.list_sims(&self.token, sponsor, kind, 3, after, SOON).await.unwrap()
    }

    async fn create(&self, card: &SimCard, plan: &CatalogueItem) -> Result<Endpoint, CallError> {
        let new = NewEndpoint {
            iccid: &card.iccid,
            operator_plan_id: &plan.operator_plan_id,
            name: "router",
            reference: "ref-1",
        };
        self.operator.create_endpoint(&self.token, new, SOON).await
    }

    async fn faults(&self, faults: serde_json::Value) {
        let url = format!("http://{}/_control/faults", self.running.addr());
        let http = reqwest::Client::builder().build().unwrap();
        assert!(http.put(url).json(&faults).send().await.unwrap().status().is_success());
    }
}

#[tokio::test]
async fn a_card_lives_its_whole_life() {
    let s = Session::start().await;
    let (operator, token) = (&s.operator, &s.token);
    operator.ping(token, SOON).await.unwrap();
    let plan = s.plan().await;
    let sponsor = plan.sponsor.id.as_str();
    let cards = s.cards(sponsor, None).await;
    let more = s.cards(sponsor, Some(&cards[2].iccid)).await;
    assert!(cards.is_sorted_by_key(|card| &card.iccid) && cards[2].iccid < more[0].iccid);

    let card = &cards[0];
    let state = operator.profile_state(token, &card.iccid, SOON).await.unwrap();
    assert_eq!(state, ProfileState::Released);
    assert!(operator.endpoints_of_sim(token, &card.iccid, SOON).await.unwrap().is_empty());
    let made = s.create(card, &plan).await.unwrap();
    assert_eq!((made.status, made.plans.len()), (EndpointStatus::Active, 1));
    assert_eq!(made.plans[0].reference.as_deref(), Some("ref-1"));
    assert_eq!(made.plans[0].data_total, plan.data);
    assert_eq!(s.create(card, &plan).await, Err(CallError::Refused(Refusal::SimInUse)));

    let endpoint = made.endpoint_id.as_str();
    let add = |plan: String| async move {
        operator.add_plan(token, endpoint, &plan, "ref-2", SOON).await
    };
    let added = add(plan.operator_plan_id.clone()).await.unwrap();
    assert_eq!(added.state, InstanceState::Active);
    assert_eq!(add("no-such-plan".into()).await, Err(CallError::Refused(Refusal::NoPlan)));
    let read = operator.endpoint(token, endpoint, SOON).await.unwrap().unwrap();
    assert_eq!(read.plans.len(), 2);
    assert_eq!(operator.endpoint(token, "no-such-endpoint", SOON).await.unwrap(), None);
    assert_eq!(operator.endpoints_of_sim(token, &card.iccid, SOON).await.unwrap().len(), 1);
    operator.connectivity(token, endpoint, SOON).await.unwrap();

    let remove = || operator.remove_plan(token, endpoint, &added.instance_id, SOON);
    assert_eq!(remove().await.unwrap(), Removal::Removed);
    assert_eq!(remove().await.unwrap(), Removal::AlreadyGone);
    for status in [EndpointStatus::Suspended, EndpointStatus::Active, EndpointStatus::Terminated] {
        operator.set_status(token, endpoint, status, SOON).await.unwrap();
        let read = operator.endpoint(token, endpoint, SOON).await.unwrap().unwrap();
        assert_eq!(read.status, status);
    }
}

#[tokio::test]
async fn the_whole_catalogue_can_be_read() {
    let s = Session::start().await;
    let mut plans = Vec::new();
    for page in 1.. {
        let read = s.operator.catalogue(&s.token, page, 100, SOON).await.unwrap();
        plans.extend(read.items);
        if plans.len() as u64 >= read.total {
            break;
        }
    }
    assert!(plans.len() >= 200, "{}", plans.len());
    assert!(plans.iter().all(|plan| !plan.coverage.countries().is_empty()));
}

#[tokio::test]
async fn each_fault_is_told_for_what_it_is() {
    let s = Session::start().await;
    let (plan, short) = (s.plan().await, Duration::from_millis(300));
    let cards = s.cards(&plan.sponsor.id, None).await;
    let made = s.create(&cards[0], &plan).await.unwrap();
    let add =
        || s.operator.add_plan(&s.token, &made.endpoint_id, &plan.operator_plan_id, "ref-2", short);
    s.faults(json!({"error_rate": 1.0})).await;
    let error = add().await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(UnknownCause::ErrorAnswer(_))), "{error:?}");
    s.faults(json!({"wrapped_error_rate": 1.0})).await;
    let error = add().await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(UnknownCause::ErrorAnswer(_))), "{error:?}");
    s.faults(json!({"lost_response_rate": 1.0})).await;
    assert_eq!(add().await.unwrap_err(), CallError::Unknown(UnknownCause::Cut));
    s.faults(json!({"hang_rate": 1.0})).await;
    assert_eq!(add().await.unwrap_err(), CallError::Unknown(UnknownCause::TimedOut));
    s.faults(json!({"rate_limit_per_second": 1})).await;
    let mut throttled = false;
    for _ in 0..5 {
        throttled |= matches!(add().await, Err(CallError::Throttled(Some(_))));
    }
    assert!(throttled);
    s.faults(json!({})).await;
    let nobody = AccessToken { secret: "stale".into(), expires_in: SOON };
    let stale = s.operator.ping(&nobody, SOON).await;
    assert_eq!(stale, Err(CallError::Unauthorized));
}
