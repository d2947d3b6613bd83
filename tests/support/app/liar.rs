//! A server between the service and its operator that has the work done and lies about it.

use reqwest::Method;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The calls of the operator's protocol, by their names there.
pub const CALLS: [&str; 15] = [
    "login",
    "catalogue",
    "list_sims",
    "get_sim",
    "create_endpoint",
    "get_endpoint",
    "find_endpoint",
    "add_plan",
    "remove_plan",
    "set_status",
    "connectivity",
    "send_sms",
    "find_sms",
    "get_sms",
    "ping",
];

/// What is answered in place of the truth.
pub struct Told {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

type Telling = dyn Fn(&Value) -> Told + Send + Sync;

/// A lie about some calls.
#[derive(Clone)]
pub struct Lie {
    about: Vec<&'static str>,
    /// Whether the operator gets the call and does what it asks for.
    done: bool,
    tell: Arc<Telling>,
}

impl Lie {
    /// What is told of calls that are done, made from the truth.
    pub fn of(tell: impl Fn(&Value) -> Told + Send + Sync + 'static) -> Self {
        Self { about: CALLS.to_vec(), done: true, tell: Arc::new(tell) }
    }

    /// The same, of calls that never reach the operator.
    #[must_use]
    pub fn undone(self) -> Self {
        Self { done: false, ..self }
    }

    /// The same about none but these calls.
    #[must_use]
    pub fn about(&self, calls: &[&'static str]) -> Self {
        let about = self.about.iter().filter(|call| calls.contains(call)).copied().collect();
        Self { about, ..self.clone() }
    }
}

pub struct Liar {
    addr: SocketAddr,
    lie: Arc<Mutex<Option<Lie>>>,
    told: Arc<Mutex<u64>>,
    task: JoinHandle<()>,
}

impl Liar {
    /// Stands before the operator at `url`, and tells the truth.
    pub async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let lie: Arc<Mutex<Option<Lie>>> = Arc::default();
        let told: Arc<Mutex<u64>> = Arc::default();
        let (url, shared) = (url.to_owned(), (Arc::clone(&lie), Arc::clone(&told)));
        let task = tokio::spawn(async move {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (http, url, (lie, told)) = (http.clone(), url.clone(), shared.clone());
                connections.spawn(async move { serve(stream, http, url, lie, told).await });
            }
        });
        Self { addr, lie, told, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Lies from now on; `None`: tells the truth.
    pub fn tell(&self, lie: Option<Lie>) {
        *self.lie.lock().unwrap() = lie;
    }

    /// How many lies were told.
    pub fn told(&self) -> u64 {
        *self.told.lock().unwrap()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Request {
    method: Method,
    target: String,
    authorization: Option<String>,
    body: Vec<u8>,
}

async fn serve(
    stream: TcpStream,
    http: reqwest::Client,
    url: String,
    lie: Arc<Mutex<Option<Lie>>>,
    told: Arc<Mutex<u64>>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let call = call_of(&request.method, &request.target);
        let lie = lie.lock().unwrap().clone().filter(|lie| lie.about.contains(&call));
        let truth = match &lie {
            Some(lie) if !lie.done => (200, Vec::new()),
            _ => pass_on(&http, &url, &request).await,
        };
        let answer = match lie {
            Some(lie) => {
                *told.lock().unwrap() += 1;
                (lie.tell)(&serde_json::from_slice(&truth.1).unwrap_or_default())
            }
            None => Told { status: truth.0, headers: String::new(), body: truth.1 },
        };
        let head = format!(
            "HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n",
            answer.status,
            answer.body.len(),
            answer.headers
        );
        let sent = async {
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&answer.body).await
        };
        if sent.await.is_err() {
            return;
        }
    }
}

async fn pass_on(http: &reqwest::Client, url: &str, request: &Request) -> (u16, Vec<u8>) {
    let mut passed = http.request(request.method.clone(), format!("{url}{}", request.target));
    if let Some(authorization) = &request.authorization {
        passed = passed.header("authorization", authorization);
    }
    if !request.body.is_empty() {
        passed = passed.header("content-type", "application/json").body(request.body.clone());
    }
    match passed.send().await {
        Ok(answer) => (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec()),
        Err(_) => (502, Vec::new()),
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let (mut lines, mut length, mut authorization) = (Vec::new(), 0, None);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        match line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value)) {
            Some((name, value)) if name == "content-length" => length = value.parse().ok()?,
            Some((name, value)) if name == "authorization" => {
                authorization = Some(value.to_owned());
            }
            _ => {}
        }
        lines.push(line);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let mut words = lines.first()?.split(' ');
    let method = Method::from_bytes(words.next()?.as_bytes()).ok()?;
    Some(Request { method, target: words.next()?.to_owned(), authorization, body })
}

fn call_of(method: &Method, target: &str) -> &'static str {
    let path = target.split('?').next().unwrap();
    let segments: Vec<&str> = path.trim_start_matches("/api/").split('/').collect();
    match (method.as_str(), segments.as_slice()) {
        ("POST", ["login"]) => "login",
        ("GET", ["catalogue"]) => "catalogue",
        ("GET", ["sims"]) => "list_sims",
        ("GET", ["sims", _]) => "get_sim",
        ("POST", ["endpoints"]) => "create_endpoint",
        ("GET", ["endpoints"]) => "find_endpoint",
        ("GET", ["endpoints", _]) => "get_endpoint",
        ("PATCH", ["endpoints", _]) => "set_status",
        ("POST", ["endpoints", _, "plans"]) => "add_plan",
        ("DELETE", ["endpoints", _, "plans", _]) => "remove_plan",
        ("GET", ["endpoints", _, "connectivity"]) => "connectivity",
        ("POST", ["endpoints", _, "sms"]) => "send_sms",
        ("GET", ["endpoints", _, "sms"]) => "find_sms",
        ("GET", ["sms", _]) => "get_sms",
        ("GET", ["ping"]) => "ping",
        _ => panic!("{method} {target} is no call of the protocol"),
    }
}
