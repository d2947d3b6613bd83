//! A way in for the fuzz target of answers, which has no operator to ask; compiled for it alone.

use super::answer::Answer;
use super::wire::{
    CatalogueRow, ConnectivityRow, EndpointRow, Found, InstanceRow, Items, Login, SimProfile,
    SimRow, SmsRow, StatusAnswer,
};
use bappy_actors::model::SimKind;
use bappy_actors::ports::{
    CallError, CataloguePage, Connectivity, Endpoint, PlanInstance, SmsReport,
};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};

/// Reads an answer as that of each call; gives what is said in words, for the log.
pub fn read(status: u16, content_type: &[u8], retry_after: &[u8], body: &[u8]) -> Vec<String> {
    let mut headers = HeaderMap::new();
    for (name, value) in [(CONTENT_TYPE, content_type), (RETRY_AFTER, retry_after)] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let answer = Answer { status, headers, body: body.to_vec() };
    let _ = (answer.is_absence(), answer.is_gone());
    let sims = answer.result::<Items<SimRow>>().map(|sims| {
        sims.items.into_iter().map(|row| row.card("sponsor", SimKind::Esim).is_ok()).count()
    });
    let endpoints = answer
        .result::<Found>()
        .and_then(|found| found.endpoints(|| answer.result()).map(|found| found.len()));
    let said: [Result<(), CallError>; 11] = [
        answer.success(),
        answer.result::<Login>().map(drop),
        answer.result::<Items<CatalogueRow>>().map(|page| drop(CataloguePage::from(page))),
        sims.map(drop),
        answer.result::<SimProfile>().map(drop),
        answer.result::<EndpointRow>().and_then(Endpoint::try_from).map(drop),
        endpoints.map(drop),
        answer.result::<InstanceRow>().map(|row| drop(PlanInstance::from(row))),
        answer.result::<StatusAnswer>().map(drop),
        answer.result::<ConnectivityRow>().map(|row| drop(Connectivity::from(row))),
        answer.result::<SmsRow>().and_then(SmsReport::try_from).map(drop),
    ];
    said.into_iter().filter_map(Result::err).map(|error| format!("{error:?}")).collect()
}
