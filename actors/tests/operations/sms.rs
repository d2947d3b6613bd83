//! SMS: charged and queued, handed over once or given back, whatever goes wrong and whoever dies.

use super::saga::{faults_of, hush};
use crate::support::environment::epoch;
use crate::support::fixtures::{caller, keyed, money, org};
use crate::support::script::{Fault, Gate};
use crate::support::world::{Outside, World, run};
use bappy_actors::gateway::GatewayLimits;
use bappy_actors::link::Mode;
use bappy_actors::model::{
    Answer, Failure, LinkId, LinkStatus, OperationState, Sms, SmsStatus, SmsText,
};
use bappy_actors::operation::{Caller, Ended, OperationError, OperationLimits, SendSms};
use bappy_actors::ports::{Clock, Refusal, SmsState};
use bappy_actors::wallet::Refused;
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Behind it every message is settled: a deadline, a call and a horizon.
const FINAL_S: u64 = 600 + 10 + 600 + 60;

async fn queue(world: &World, caller: Caller, link: LinkId, price: &str) -> Ended {
    let message = SmsText::new("hello".to_owned());
    world.operations.send_sms(caller, SendSms { link, message, price: money(price) }).await
}

/// A Link, with the operator's calls forgotten.
fn prepare() -> (Outside, LinkId) {
    hush();
    run(async {
        let world = World::new();
        let link = world.link().await;
        world.outside.script.forget_calls();
        (world.outside.clone(), link)
    })
}

fn only(outside: &Outside) -> Sms {
    let data = outside.store.data();
    assert_eq!(data.sms.len(), 1);
    data.sms.values().next().unwrap().1.clone()
}

fn failure(outside: &Outside) -> (OperationState, Option<Failure>) {
    let id = only(outside).id;
    let operation = outside.store.data().operations[&id].operation.clone();
    (operation.state, operation.failure)
}

/// Queues one message and works through the queue until it is settled.
async fn send_one(world: &World, link: LinkId) -> Sms {
    queue(world, caller(org(1)), link, "0.05").await.result.unwrap();
    world.send(FINAL_S).await;
    world.outside.assert_drained();
    only(&world.outside)
}

#[test]
fn a_message_is_charged_when_it_is_queued_and_handed_over_once() {
    let (outside, link) = prepare();
    run(async {
        let world = World::over(&outside, epoch());
        let ended = queue(&world, caller(org(1)), link, "0.05").await;
        let Ok(Answer::SmsQueued { sms, .. }) = ended.result else { panic!("{ended:?}") };
        assert_eq!((sms.status, Some(sms.id)), (SmsStatus::Queued, ended.operation_id));
        assert_eq!(outside.balance(), "89.95");
        assert_eq!(outside.script.count("op_send_sms"), 0, "nobody waits for the operator");
        outside.assert_invariant();
        world.send(1).await;
        outside.assert_drained();
        let sent = only(&outside);
        assert_eq!((sent.status, sent.operator_sms_id.is_some()), (SmsStatus::Sent, true));
        let text = outside.operator.state().messages[0].text.clone();
        assert_eq!(text, "hello");
        assert!(!format!("{sent:?}").contains("hello"), "no log shows it");
    });
}

#[test]
fn a_message_that_costs_nothing_leaves_no_line_in_the_ledger() {
    for refused in [false, true] {
        let (outside, link) = prepare();
        run(async {
            let world = World::over(&outside, epoch());
            if refused {
                outside.script.fail_next("op_send_sms", Fault::Refuse(Refusal::NotAllowed));
            }
            let lines = outside.store.data().wallets[&org(1)].ledger.len();
            queue(&world, caller(org(1)), link, "0").await.result.unwrap();
            world.send(5).await;
            outside.assert_drained();
            assert_eq!(outside.store.data().wallets[&org(1)].ledger.len(), lines);
            let end = if refused { OperationState::Rejected } else { OperationState::Succeeded };
            assert_eq!(failure(&outside).0, end);
        });
    }
}

#[test]
fn nothing_is_queued_for_a_link_that_is_not_active_or_a_wallet_that_is_empty() {
    let (outside, link) = prepare();
    run(async {
        let world = World::over(&outside, epoch());
        let ended = queue(&world, caller(org(1)), link, "90.01").await;
        let refused =
            matches!(ended.result, Err(OperationError::Refused(Refused::InsufficientFunds { .. })));
        assert!(refused && ended.operation_id.is_none(), "{ended:?}");
        outside.store.data().links.get_mut(&link).unwrap().1.status = LinkStatus::Suspended;
        world.services.links.changed(org(1), link).await;
        let ended = queue(&world, caller(org(1)), link, "0.05").await;
        let suspended = OperationError::LinkState(LinkStatus::Suspended).to_string();
        assert_eq!(ended.result.unwrap_err().to_string(), suspended);
        let ended = queue(&world, caller(org(2)), link, "0.05").await;
        assert!(matches!(ended.result, Err(OperationError::NoLink)), "another's Link");
        assert!(outside.store.data().sms.is_empty());
        assert_eq!(outside.balance(), "90.00");
    });
}

#[test]
fn a_key_in_use_queues_nothing_more_and_a_refund_frees_it() {
    let (outside, link) = prepare();
    run(async {
        let world = World::over(&outside, epoch());
        outside.script.fail_next("op_send_sms", Fault::Refuse(Refusal::NotAllowed));
        queue(&world, keyed(org(1), "k"), link, "0.05").await.result.unwrap();
        let again = queue(&world, keyed(org(1), "k"), link, "0.05").await;
        assert!(matches!(again.result, Err(OperationError::KeyTaken)), "{again:?}");
        world.send(5).await;
        assert_eq!(outside.balance(), "90.00", "given back");
        queue(&world, keyed(org(1), "k"), link, "0.05").await.result.unwrap();
        world.send(5).await;
        outside.assert_drained();
        assert_eq!(outside.balance(), "89.95");
    });
}

#[test]
fn each_answer_of_the_operator_has_its_end() {
    use Failure::{ProvisioningError, ProvisioningFailed};
    let there = |fault| (fault, SmsStatus::Sent, None);
    let cases = [
        (Fault::Refuse(Refusal::NotAllowed), SmsStatus::Failed, Some(ProvisioningError)),
        there(Fault::Lost),
        there(Fault::Wrapped),
        there(Fault::Unreadable),
        there(Fault::HangDone),
        (Fault::Error500, SmsStatus::Failed, Some(ProvisioningFailed)),
        (Fault::HangNothing, SmsStatus::Failed, Some(ProvisioningFailed)),
        // What was certainly not sent is sent again.
        there(Fault::Unreachable),
        there(Fault::Throttled(None)),
        there(Fault::Throttled(Some(Duration::from_mins(1)))),
    ];
    for (fault, status, told) in cases {
        println!("{}", fault.name());
        let (outside, link) = prepare();
        run(async {
            let world = World::over(&outside, epoch());
            outside.script.fail_next("op_send_sms", fault);
            let sms = send_one(&world, link).await;
            assert_eq!((sms.status, failure(&outside).1), (status, told));
            let balance = if status == SmsStatus::Failed { "90.00" } else { "89.95" };
            assert_eq!(outside.balance(), balance);
            let took = world.clock.elapsed();
            let unsent = told == Some(ProvisioningFailed);
            assert!(took < Duration::from_secs(if unsent { 645 } else { 90 }), "{took:?}");
            assert!(!unsent || took > Duration::from_secs(610), "absent too soon: {took:?}");
        });
    }
    // An operator that can never be reached, or takes none for an hour: not charged in the end, and not
    // before the deadline.
    for fault in [Fault::Unreachable, Fault::Throttled(Some(Duration::from_hours(1)))] {
        never_sent(fault);
    }
}

fn never_sent(fault: Fault) {
    let (outside, link) = prepare();
    run(async {
        let world = World::over(&outside, epoch());
        outside.script.fail_all("op_send_sms", fault);
        let sms = send_one(&world, link).await;
        assert_eq!(
            (sms.status, failure(&outside).1),
            (SmsStatus::Failed, Some(Failure::ProviderUnavailable))
        );
        let took = world.clock.elapsed();
        assert!((600..635).contains(&took.as_secs()), "{took:?}");
    });
}

#[test]
fn what_lands_late_but_within_the_horizon_is_sent_and_not_refunded() {
    for wait in [5, 300, 600] {
        let (outside, link) = prepare();
        run(async {
            let world = World::over(&outside, epoch());
            outside.script.fail_next("op_send_sms", Fault::HangLate);
            queue(&world, caller(org(1)), link, "0.05").await.result.unwrap();
            world.send(wait).await;
            assert_eq!(only(&outside).status, SmsStatus::Queued);
            assert_eq!(outside.operator.land_late(), 1);
            world.send(FINAL_S).await;
            outside.assert_drained();
            assert_eq!(only(&outside).status, SmsStatus::Sent);
            assert_eq!(outside.script.count("op_send_sms"), 1);
        });
    }
}

#[test]
fn what_cannot_be_read_is_not_taken_for_absent() {
    let (outside, link) = prepare();
    run(async {
        let world = World::over(&outside, epoch());
        outside.script.fail_next("op_send_sms", Fault::Lost);
        outside.script.fail_all("op_find_sms", Fault::Unreachable);
        queue(&world, caller(org(1)), link, "0.05").await.result.unwrap();
        world.send(2 * FINAL_S).await;
        assert_eq!(only(&outside).status, SmsStatus::Queued, "nothing is guessed");
        outside.script.mend();
        world.send(60).await;
        outside.assert_drained();
        assert_eq!(only(&outside).status, SmsStatus::Sent);
    });
}

/// The calls of a message that goes well, from its queueing until it was asked after.
fn calls() -> Vec<&'static str> {
    let (outside, link) = prepare();
    run(async {
        let world = World::over(&outside, epoch());
        queue_and_send(&world, link).await;
        outside.script.calls()
    })
}

async fn queue_and_send(world: &World, link: LinkId) {
    let _ = queue(world, caller(org(1)), link, "0.05").await;
    world.send(2).await;
    let asked = world.sender.clone();
    let _ = tokio::spawn(async move { asked.round().await }).await;
}

#[test]
fn whatever_call_a_process_dies_at_the_message_is_handed_over_once_or_given_back() {
    for (index, method) in calls().into_iter().enumerate() {
        for after in [false, true] {
            for later in [1, 20, 700, 2_000] {
                println!("dies at {method} ({index}, {after}), found after {later} s");
                let (outside, link) = prepare();
                let gate = Gate::new();
                let held = if after { Fault::HoldAfter } else { Fault::Hold };
                outside.script.fail_at(index, held(gate.clone()));
                run(async {
                    let world = World::over(&outside, epoch());
                    tokio::select! {
                        () = queue_and_send(&world, link) => panic!("it did not stop"),
                        () = gate.arrived() => {}
                    }
                });
                outside.script.mend();
                outside.assert_invariant();
                run(async {
                    let world = World::over(&outside, epoch() + TimeDelta::seconds(later));
                    world.send(FINAL_S).await;
                    outside.assert_drained();
                    assert!(outside.script.count("op_send_sms") <= 1);
                });
            }
        }
    }
}

#[test]
fn each_call_may_fail_in_each_way() {
    for (index, method) in calls().into_iter().enumerate() {
        for fault in faults_of(method) {
            println!("{method} ({index}): {}", fault.name());
            let (outside, link) = prepare();
            outside.script.fail_at(index, fault);
            run(async {
                let world = World::over(&outside, epoch());
                queue_and_send(&world, link).await;
                outside.assert_invariant();
                outside.operator.land_late();
                outside.store.land_late();
                world.send(FINAL_S).await;
                outside.assert_drained();
            });
        }
    }
}

#[test]
fn a_sender_that_stood_still_while_another_took_over_does_no_harm() {
    for (index, method) in calls().into_iter().enumerate() {
        for after in [false, true] {
            // A call to the operator takes effect within its horizon; the database may hang.
            let longest = if method.starts_with("op_") { 500 } else { 1_400 };
            for wait in [30, longest] {
                println!("stands at {method} ({index}, {after}) for {wait} s");
                let (outside, link) = prepare();
                let gate = Gate::new();
                let held = if after { Fault::HoldAfter } else { Fault::Hold };
                outside.script.fail_at(index, held(gate.clone()));
                run(async {
                    let one = World::over(&outside, epoch());
                    let other = World::over(&outside, epoch());
                    let meanwhile = async {
                        gate.arrived().await;
                        tokio::time::sleep(Duration::from_secs(20)).await;
                        other.send(wait).await;
                        outside.assert_invariant();
                        gate.open(1);
                    };
                    tokio::join!(queue_and_send(&one, link), meanwhile);
                    other.send(FINAL_S).await;
                    outside.assert_drained();
                });
            }
        }
    }
}

#[test]
fn a_message_is_asked_after_until_it_is_delivered_or_has_failed() {
    let ends = [(SmsState::Delivered, SmsStatus::Delivered), (SmsState::Failed, SmsStatus::Failed)];
    for (state, status) in ends {
        let (outside, link) = prepare();
        run(async {
            let world = World::over(&outside, epoch());
            let stop = Arc::new(Notify::new());
            world.sender.start(Arc::clone(&stop));
            queue(&world, caller(org(1)), link, "0.05").await.result.unwrap();
            tokio::time::sleep(Duration::from_mins(5)).await;
            assert_eq!(only(&outside).status, SmsStatus::Sent);
            let asked = outside.script.count("op_sms");
            assert!((5..=12).contains(&asked), "{asked} times in five minutes");
            outside.operator.state().messages[0].report.state = state;
            tokio::time::sleep(Duration::from_mins(10)).await;
            assert_eq!(only(&outside).status, status);
            let asked = outside.script.count("op_sms");
            tokio::time::sleep(Duration::from_hours(30)).await;
            assert_eq!(outside.script.count("op_sms"), asked, "not any more");
            outside.assert_drained();
            assert_eq!(outside.balance(), "89.95", "it was handed over: nothing is given back");
            stop.notify_waiters();
            world.sender.drain().await;
        });
    }
}

#[test]
fn a_stop_ends_what_was_begun_and_leaves_the_rest_to_the_next() {
    let (outside, link) = prepare();
    run(async {
        let world = World::over(&outside, epoch());
        let gate = Gate::new();
        outside.script.fail_next("op_send_sms", Fault::HoldAfter(gate.clone()));
        let stop = Arc::new(Notify::new());
        world.sender.start(Arc::clone(&stop));
        queue(&world, caller(org(1)), link, "0.05").await.result.unwrap();
        gate.arrived().await;
        stop.notify_waiters();
        let sender = world.sender.clone();
        let drained = tokio::spawn(async move { sender.drain().await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!drained.is_finished());
        queue(&world, caller(org(1)), link, "0.05").await.result.unwrap();
        gate.open(1);
        drained.await.unwrap();
        assert_eq!(outside.script.count("op_send_sms"), 1);
        world.send(5).await;
        outside.assert_drained();
    });
}

#[test]
fn a_thousand_messages_leave_room_for_who_waits_for_an_answer() {
    let (outside, link) = prepare();
    run(async {
        let gateway = GatewayLimits { rate_per_second: 200, ..GatewayLimits::default() };
        let limits = OperationLimits::default();
        let world = World::built(&outside, epoch(), gateway, limits);
        for _ in 0..1_000 {
            queue(&world, caller(org(1)), link, "0.01").await.result.unwrap();
        }
        outside.operator.state().latency = Duration::from_millis(20);
        let stop = Arc::new(Notify::new());
        world.sender.start(Arc::clone(&stop));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut slowest = Duration::ZERO;
        while outside.has_open() {
            let begun = world.clock.elapsed();
            let added = world.operations.add_plans(caller(org(1)), World::add(link, 1)).await;
            match added.result {
                // The wallet runs dry first.
                Ok(_) | Err(OperationError::Refused(_)) => {}
                Err(error) => panic!("{error}"),
            }
            slowest = slowest.max(world.clock.elapsed().saturating_sub(begun));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(slowest < Duration::from_millis(100), "{slowest:?}");
        assert!(outside.operator.state().in_flight_max <= 64 / 4 + 64 / 8 + 1);
        let took = world.clock.elapsed();
        assert!(took < Duration::from_secs(30), "{took:?}");
        stop.notify_waiters();
        world.sender.drain().await;
        outside.assert_drained();
    });
}

#[test]
fn an_operator_that_is_down_is_not_asked_for_each_message_in_the_queue() {
    let (outside, link) = prepare();
    run(async {
        let world = World::over(&outside, epoch());
        for _ in 0..500 {
            queue(&world, caller(org(1)), link, "0.01").await.result.unwrap();
        }
        outside.script.fail_all("op_send_sms", Fault::Unreachable);
        outside.script.forget_calls();
        let stop = Arc::new(Notify::new());
        world.sender.start(Arc::clone(&stop));
        tokio::time::sleep(Duration::from_mins(2)).await;
        let (calls, claims) =
            (outside.script.count("op_send_sms"), outside.script.count("claim_due"));
        assert!(calls < 300 && claims < 1_000, "{calls} calls, {claims} claims");
        outside.script.mend();
        tokio::time::sleep(Duration::from_secs(90)).await;
        outside.assert_drained();
        assert_eq!(outside.operator.state().messages.len(), 500);
        stop.notify_waiters();
        world.sender.drain().await;
    });
}

#[test]
fn a_message_is_queued_only_while_nobody_changes_the_link() {
    let (outside, link) = prepare();
    run(async {
        let world = World::over(&outside, epoch());
        let entered = world.services.links.enter(org(1), link, Mode::Exclusive).await.unwrap();
        let queued = queue(&world, caller(org(1)), link, "0.05");
        let mut queued = std::pin::pin!(queued);
        let waited = tokio::time::timeout(Duration::from_secs(5), &mut queued).await;
        assert!(waited.is_err(), "{waited:?}");
        drop(entered);
        queued.await.result.unwrap();
    });
}
