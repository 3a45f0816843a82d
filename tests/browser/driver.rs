//! A browser, driven over the W3C WebDriver protocol. Chromium and its driver come from the system's packages; a machine
//! without them fails loudly: a test that is skipped looks like one that passed.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Starts the driver on a free port, says which, and waits for the end of its standard input: that comes when the test
/// binary ends, in whatever way. Then it ends the driver with its browsers.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
for program in chromedriver chromium; do
    command -v $program >/dev/null || { echo "$program is missing; install the packages chromium and chromium-driver"; exit 1; }
done
log=$(mktemp) || exit 1
# What the shell ignores its children would ignore too, and never end.
(trap - INT TERM HUP; exec chromedriver --port=0) >"$log" 2>&1 </dev/null &
driver=$!
while ! grep -q 'successfully on port' "$log"; do
    kill -0 $driver 2>/dev/null || { cat "$log"; rm -f "$log"; exit 1; }
    sleep 0.05
done
echo "ready $(grep -o 'successfully on port [0-9]*' "$log" | grep -o '[0-9]*$')"
cat >/dev/null
kill $driver
wait $driver
rm -f "$log"
"#;

struct Driver {
    port: u16,
    /// Closed by the system when this process ends.
    _until_closed: ChildStdin,
}

fn driver() -> &'static Driver {
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    DRIVER.get_or_init(start)
}

#[expect(clippy::zombie_processes, reason = "it ends after us")]
fn start() -> Driver {
    let mut script = Command::new("sh")
        .args(["-c", SCRIPT])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh");
    let until_closed = script.stdin.take().expect("piped");
    let mut output = BufReader::new(script.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("output of the script");
    let Some(port) = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok()) else {
        let _ = output.read_to_string(&mut line);
        panic!("the browser's driver did not start: {line}");
    };
    Driver { port, _until_closed: until_closed }
}

/// What is waited for comes within this, or never.
const PATIENCE: Duration = Duration::from_secs(20);
/// Names an element in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Finds what keeps people out of a page.
const AXE: &str = include_str!("vendor/axe.js");

/// A window of its own, with nothing in its memory.
pub(crate) struct Browser {
    session: String,
    _profile: TempDir,
}

impl Browser {
    pub(crate) async fn open() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut flags: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-extensions",
            "--force-prefers-reduced-motion",
        ]
        .map(str::to_owned)
        .to_vec();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": flags},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let made = ask("POST", "/session", &wanted).await;
        let session = made["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {made}")).to_owned();
        let browser = Self { session, _profile: profile };
        browser.size(1440, 900).await;
        browser
    }

    /// Width and height of the page; below 640 it is a phone's.
    pub(crate) async fn size(&self, width: u32, height: u32) {
        let phone = width < 640;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics});
        self.post("/goog/cdp/execute", &command).await;
    }

    pub(crate) async fn go(&self, url: &str) {
        self.post("/url", &json!({"url": url})).await;
    }

    pub(crate) async fn url(&self) -> String {
        self.get("/url").await.as_str().unwrap().to_owned()
    }

    pub(crate) async fn title(&self) -> String {
        self.get("/title").await.as_str().unwrap().to_owned()
    }

    /// The text that is seen.
    pub(crate) async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap().to_owned()
    }

    /// What a script gives back.
    pub(crate) async fn run(&self, script: &str) -> Json {
        self.post("/execute/sync", &json!({"script": script, "args": []})).await
    }

    /// What axe finds against WCAG 2.2 A and AA on the page as it stands, one line a rule.
    pub(crate) async fn barriers(&self) -> Vec<String> {
        self.run(AXE).await;
        let found = self
            .run_async(
                "const done = arguments[0]; \
                 const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice']; \
                 axe.run({ runOnly: tags }).then((found) => done(found.violations.map((one) => \
                     `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(' ')}`)))",
            )
            .await;
        found.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    }

    /// What a script hands to its last argument.
    async fn run_async(&self, script: &str) -> Json {
        self.post("/execute/async", &json!({"script": script, "args": []})).await
    }

    /// Looks at the page as with this setting of the system.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let command = json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        self.post("/goog/cdp/execute", &command).await;
    }

    /// Clicks on what a selector finds first, and waits until what follows is there.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post(&format!("/element/{element}/click"), &json!({})).await;
    }

    /// Empties a field and types into it.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.post(&format!("/element/{element}/clear"), &json!({})).await;
        self.post(&format!("/element/{element}/value"), &json!({"text": text})).await;
    }

    /// Takes what one selector finds by the pointer and drops it so far below the middle of what the other one finds.
    pub(crate) async fn drag(&self, what: &str, onto: &str, below: i32) {
        let origin = async |selector: &str| json!({ELEMENT: self.find(selector).await});
        let (what, onto) = (origin(what).await, origin(onto).await);
        let move_to = |origin: &Json, below: i32| json!({"type": "pointerMove", "duration": 50, "origin": origin, "x": 0, "y": below});
        let button = |kind: &str| json!({"type": kind, "button": 0});
        let steps = json!([move_to(&what, 0), button("pointerDown"), move_to(&onto, below), button("pointerUp")]);
        let actions = json!({"actions": [{"type": "pointer", "id": "hand", "actions": steps}]});
        self.post("/actions", &actions).await;
    }

    /// Presses a key where the cursor is.
    pub(crate) async fn press(&self, key: &str) {
        let down = json!({"type": "keyDown", "value": key});
        let up = json!({"type": "keyUp", "value": key});
        let actions = json!({"actions": [{"type": "key", "id": "keys", "actions": [down, up]}]});
        self.post("/actions", &actions).await;
    }

    /// Waits until the page shows these words.
    pub(crate) async fn sees(&self, words: &str) {
        let begun = tokio::time::Instant::now();
        loop {
            let text = self.text().await;
            if text.contains(words) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the page does not show \"{words}\" but:\n{text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until an expression holds, as when a form was sent whose answer looks much like the page before.
    pub(crate) async fn until(&self, expression: &str) {
        let begun = tokio::time::Instant::now();
        while self.run(&format!("return Boolean({expression})")).await != true {
            assert!(begun.elapsed() < PATIENCE, "it never holds that {expression}: {}", self.text().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the browser complained of since this was last asked, and the hosts that it sent requests to.
    pub(crate) async fn complaints_and_hosts(&self) -> (Vec<String>, Vec<String>) {
        let lines = |log: Json| log.as_array().cloned().unwrap_or_default();
        let text = |line: &Json| line["message"].as_str().unwrap_or_default().to_owned();
        let complaints = lines(self.post("/se/log", &json!({"type": "browser"})).await);
        let mut hosts = Vec::new();
        for line in lines(self.post("/se/log", &json!({"type": "performance"})).await) {
            let event: Json = serde_json::from_str(&text(&line)).unwrap();
            let url = event["message"]["params"]["request"]["url"].as_str().unwrap_or_default();
            if event["message"]["method"] == "Network.requestWillBeSent" && url.starts_with("http") {
                hosts.push(url.split('/').nth(2).unwrap_or_default().to_owned());
            }
        }
        hosts.sort();
        hosts.dedup();
        (complaints.iter().map(text).collect(), hosts)
    }

    pub(crate) async fn close(self) {
        ask("DELETE", &format!("/session/{}", self.session), &Json::Null).await;
    }

    async fn find(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({"using": "css selector", "value": selector})).await;
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector} is not on the page: {found}")).to_owned()
    }

    async fn post(&self, path: &str, body: &Json) -> Json {
        ask("POST", &format!("/session/{}{path}", self.session), body).await
    }

    async fn get(&self, path: &str) -> Json {
        ask("GET", &format!("/session/{}{path}", self.session), &Json::Null).await
    }
}

/// One command to the driver. What it refuses fails the test with its words.
async fn ask(method: &str, path: &str, body: &Json) -> Json {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = tokio::time::timeout(Duration::from_secs(120), async {
        let mut stream = TcpStream::connect(("127.0.0.1", driver().port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    });
    let answer = answer.await.unwrap_or_else(|_| panic!("the driver does not answer {method} {path} {body:.300}"));
    let answer: Json = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("no JSON: {answer}"));
    let value = answer["value"].clone();
    assert!(value["error"].is_null(), "{method} {path} {body:.300}: {} {}", value["error"], value["message"]);
    value
}

/// Reads to the length that the head names: the driver keeps the connection open whatever it is asked.
async fn read_answer(stream: &mut TcpStream) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if length.is_some_and(|length: usize| body.len() >= length) {
                return body.to_owned();
            }
        }
        match stream.read(&mut buffer).await.unwrap() {
            0 => return text.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
