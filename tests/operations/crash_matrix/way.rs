//! The way from a service to the operator, on which calls meet the end that a test has in mind.
//! The controls of the operator itself draw lots for all calls; here it is one kind of call, from
//! one of them on, and some of the ends are not among its faults.
//!
//! **Invariant.** What is asked and answered passes unchanged, but for the calls in question.

use super::outcome::Outcome;
use reqwest::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of which calls.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// The operation, in the operator's word for it.
    pub operation: &'static str,
    pub outcome: Outcome,
    /// So many of these calls pass before.
    pub spared: usize,
    /// They are not answered before the script is lifted.
    pub held: bool,
    /// What comes late is done so long after it was asked for.
    pub late: Duration,
}

pub struct Way {
    pub at: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    operator: SocketAddr,
    client: reqwest::Client,
    script: Script,
    seen: AtomicUsize,
    down: AtomicBool,
    /// How many calls have met their end.
    met: watch::Sender<usize>,
    /// Whether all is as usual again.
    lifted: watch::Sender<bool>,
    /// Work that is done later.
    late: Mutex<Vec<JoinHandle<()>>>,
}

struct Request {
    method: Method,
    path: String,
    authorization: Option<String>,
    body: Vec<u8>,
}

/// An answer; none: the connection is cut.
type Answer = Option<(u16, Vec<u8>)>;

impl Way {
    pub async fn to(operator: SocketAddr, client: reqwest::Client, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            operator,
            client,
            script,
            seen: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            met: watch::Sender::new(0),
            lifted: watch::Sender::new(false),
            late: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move { shared.serve(connection).await });
            }
        });
        Self { at, shared, task }
    }

    /// Returns when a call has met its end: what is done of it is done.
    pub async fn met(&self) {
        let _ = self.shared.met.subscribe().wait_for(|met| *met > 0).await;
    }

    /// From now on all calls pass; those that hang are cut.
    pub fn lift(&self) {
        self.shared.down.store(false, Ordering::SeqCst);
        self.shared.lifted.send_replace(true);
    }

    /// Returns when nothing comes late any more.
    pub async fn quiet(&self) {
        let late = std::mem::take(&mut *self.shared.late.lock().unwrap());
        for work in late {
            work.await.unwrap();
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.lifted.send_replace(true);
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, connection: TcpStream) {
        let mut connection = BufReader::new(connection);
        while let Some(request) = read(&mut connection).await {
            let answered = tokio::select! {
                answered = self.answer(&request) => answered,
                // The caller has gone.
                _ = connection.fill_buf() => return,
            };
            let Some((status, body)) = answered else { return };
            let head = format!(
                "HTTP/1.1 {status} As\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n",
                body.len()
            );
            let bytes = [head.as_bytes(), &body].concat();
            if connection.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }

    async fn answer(self: &Arc<Self>, request: &Request) -> Answer {
        if self.down.load(Ordering::SeqCst) {
            return None;
        }
        let concerned = operation(request) == Some(self.script.operation)
            && !*self.lifted.borrow()
            && self.seen.fetch_add(1, Ordering::SeqCst) >= self.script.spared;
        if !concerned {
            return self.forward(request).await;
        }
        self.meet(request).await
    }

    async fn meet(self: &Arc<Self>, request: &Request) -> Answer {
        let outcome = self.script.outcome;
        let done = match outcome {
            Outcome::No | Outcome::InUse | Outcome::Error | Outcome::Down | Outcome::LateYes => {
                None
            }
            _ => Some(self.forward(request).await?),
        };
        match outcome {
            Outcome::Down => self.down.store(true, Ordering::SeqCst),
            Outcome::LateYes => self.do_later(request),
            _ => {}
        }
        self.met.send_modify(|met| *met += 1);
        if self.script.held {
            let _ = self.lifted.subscribe().wait_for(|lifted| *lifted).await;
        }
        let error = |code: &str| json!({ "code": code, "message": "as scripted" });
        let body = |value: Value| value.to_string().into_bytes();
        match outcome {
            Outcome::Yes => done,
            Outcome::No => Some((422, body(error("NOT_ALLOWED")))),
            Outcome::InUse => {
                // The next card is free.
                self.lifted.send_replace(true);
                Some((409, body(error("SIM_IN_USE"))))
            }
            Outcome::Error => Some((500, body(error("INTERNAL")))),
            Outcome::Wrapped => Some((200, body(json!({ "error": error("ODD") })))),
            Outcome::Garbage => Some((200, b"<html>It works!</html>".to_vec())),
            Outcome::LostYes | Outcome::Down => None,
            Outcome::LateYes | Outcome::Hang => {
                let _ = self.lifted.subscribe().wait_for(|lifted| *lifted).await;
                None
            }
        }
    }

    fn do_later(self: &Arc<Self>, request: &Request) {
        let (shared, late) = (Arc::clone(self), self.script.late);
        let request = Request { body: request.body.clone(), ..request.head() };
        let work = tokio::spawn(async move {
            tokio::time::sleep(late).await;
            shared.forward(&request).await;
        });
        self.late.lock().unwrap().push(work);
    }

    async fn forward(&self, request: &Request) -> Answer {
        let url = format!("http://{}{}", self.operator, request.path);
        let mut sent = self.client.request(request.method.clone(), url);
        if let Some(authorization) = &request.authorization {
            sent = sent.header("authorization", authorization);
        }
        if !request.body.is_empty() {
            sent = sent.header("content-type", "application/json").body(request.body.clone());
        }
        let answer = sent.send().await.ok()?;
        Some((answer.status().as_u16(), answer.bytes().await.ok()?.to_vec()))
    }
}

impl Request {
    fn head(&self) -> Self {
        Self {
            method: self.method.clone(),
            path: self.path.clone(),
            authorization: self.authorization.clone(),
            body: Vec::new(),
        }
    }
}

/// The operation of a call that changes something.
fn operation(request: &Request) -> Option<&'static str> {
    let path: Vec<_> = request.path.split('/').skip(1).collect();
    match (request.method.as_str(), &path[..]) {
        ("POST", ["api", "endpoints"]) => Some("create_endpoint"),
        ("POST", ["api", "endpoints", _, "plans"]) => Some("add_plan"),
        ("DELETE", ["api", "endpoints", _, "plans", _]) => Some("remove_plan"),
        ("PATCH", ["api", "endpoints", _]) => Some("set_status"),
        ("POST", ["api", "endpoints", _, "sms"]) => Some("send_sms"),
        _ => None,
    }
}

/// The next request of a connection, as our client sends it: with a length, if it has a body.
async fn read(connection: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut first = String::new();
    connection.read_line(&mut first).await.ok().filter(|read| *read > 0)?;
    let mut words = first.split(' ');
    let method = words.next()?.parse().ok()?;
    let path = words.next()?.to_owned();
    let mut request = Request { method, path, authorization: None, body: Vec::new() };
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match &*name.to_ascii_lowercase() {
            "authorization" => request.authorization = Some(value.to_owned()),
            "content-length" => request.body = vec![0; value.parse().ok()?],
            _ => {}
        }
    }
    connection.read_exact(&mut request.body).await.ok()?;
    Some(request)
}
