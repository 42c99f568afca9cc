//! A headless Chromium, driven over its DevTools protocol by a pair of pipes.
//!
//! Keys and clicks go in where those of a person would, so what they hit is what a person would hit.
//! The browser has a profile of its own in the stage and ends with its test. It must never be let
//! onto the network: it is only ever sent to nodes of the test.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::stage::{LONG, Stage, wait_for};

/// The program.
pub(crate) const CHROMIUM: &str = "chromium";

/// A browser with one tab.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    /// What the browser complained about, as its console shows it.
    complaints: Vec<String>,
}

/// How long an answer may take: a browser that starts on a busy machine has much to do first.
const PATIENCE: Duration = Duration::from_secs(90);
/// Runs first in every document: what the policy of a page forbids is counted.
const WATCH: &str = "window.violations = []; \
    document.addEventListener('securitypolicyviolation', \
        (event) => window.violations.push(event.violatedDirective + ' ' + event.sourceFile));";

impl Browser {
    /// Starts a browser with an empty tab.
    pub(crate) fn start(stage: &Stage) -> Self {
        let profile = format!("--user-data-dir={}", stage.path("chromium").display());
        // The protocol's pipes are descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args([
                "-c",
                r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#,
                CHROMIUM,
            ])
            .args([
                "--remote-debugging-pipe",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
            ])
            .args([
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
            ])
            .args([
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
            ])
            .args(["--no-proxy-server", "--hide-scrollbars", &profile])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let output = child.stdout.take().expect("a pipe");
        let (sender, messages) = sync_channel(4096);
        thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let message = message
                    .ok()
                    .and_then(|text| serde_json::from_slice(&text).ok());
                let Some(message) = message else { return };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            input: child.stdin.take().expect("a pipe"),
            child,
            messages,
            session: None,
            last_id: 0,
            complaints: Vec::new(),
        };
        browser.attach();
        browser
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call("Target.attachToTarget", attach);
        self.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            self.call(domain, json!({}));
        }
        self.call(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": WATCH }),
        );
    }

    /// Asks the browser to do something; what it answers.
    ///
    /// # Panics
    /// When it refuses or does not answer.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.input
            .write_all(format!("{message}\0").as_bytes())
            .expect("a browser that reads");
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let mut answer = self
                .messages
                .recv_timeout(left)
                .unwrap_or_else(|error| panic!("no answer to {method}: {error}"));
            if answer["id"] == self.last_id {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let text = match event["method"].as_str() {
            Some("Log.entryAdded") => &event["params"]["entry"]["text"],
            Some("Runtime.exceptionThrown") => &event["params"]["exceptionDetails"],
            _ => return,
        };
        self.complaints.push(text.to_string());
    }

    /// What a script says, run in the page beside whatever the page may run itself.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        let mut result = self.call("Runtime.evaluate", params);
        let failed = result.get("exceptionDetails");
        assert!(failed.is_none(), "{expression}: {result}");
        result["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&mut self, expression: &str) {
        wait_for(expression, LONG, || {
            // Between two documents there is none to ask.
            let params = json!({ "expression": expression, "returnByValue": true });
            self.call("Runtime.evaluate", params)["result"]["value"] == true
        });
    }

    /// Goes to a URL, and waits for all of the page.
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
        self.wait(&format!(
            "location.href === {} && document.readyState === 'complete'",
            json!(url)
        ));
    }

    /// Clicks on the middle of the first element that matches, with the mouse.
    pub(crate) fn click(&mut self, selector: &str) {
        let point = self.evaluate(&format!(
            "(() => {{ const element = document.querySelector({}); \
             element.scrollIntoView({{ block: 'center' }}); \
             const box = element.getBoundingClientRect(); \
             return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let params = json!({
                "type": kind, "x": point[0], "y": point[1], "button": "left", "clickCount": 1,
            });
            self.call("Input.dispatchMouseEvent", params);
        }
    }

    /// Presses keys one after the other: names such as `Enter`, or single characters.
    pub(crate) fn press(&mut self, keys: &[&str]) {
        for key in keys {
            self.key(key, 0);
        }
    }

    /// Presses a key together with Ctrl.
    pub(crate) fn press_with_ctrl(&mut self, key: &str) {
        const CTRL: u8 = 2;
        self.key(key, CTRL);
    }

    fn key(&mut self, key: &str, modifiers: u8) {
        let (text, code) = match key {
            "Enter" => ("\r", 13),
            "ArrowDown" => ("", 40),
            "ArrowUp" => ("", 38),
            "Escape" => ("", 27),
            "Backspace" => ("", 8),
            text => (text, 0),
        };
        let text = if modifiers == 0 { text } else { "" };
        let down = if text.is_empty() {
            "rawKeyDown"
        } else {
            "keyDown"
        };
        for kind in [down, "keyUp"] {
            let params = json!({
                "type": kind, "key": key, "text": if kind == "keyUp" { "" } else { text },
                "windowsVirtualKeyCode": code, "modifiers": modifiers,
            });
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// Types a text.
    pub(crate) fn write(&mut self, text: &str) {
        for character in text.chars() {
            self.press(&[&character.to_string()]);
        }
    }

    /// Makes the screen this large, in CSS pixels.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let params = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.call("Emulation.setDeviceMetricsOverride", params);
    }

    /// Makes pages believe that their reader prefers `light` or `dark`.
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [feature] }),
        );
    }

    /// Lets pages run no script from the next one on.
    pub(crate) fn disable_scripts(&mut self) {
        self.call(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": true }),
        );
    }

    /// Writes a picture of what is to be seen.
    pub(crate) fn picture(&mut self, to: &Path) {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let picture = BASE64.decode(picture["data"].as_str().expect("a picture"));
        fs::write(to, picture.expect("base64")).expect("room for a picture");
    }

    /// What the browser complained about so far: scripts that failed, what a policy forbade.
    pub(crate) fn complaints(&mut self) -> &[String] {
        // Events come in order, so after an answer all of before are here.
        self.evaluate("0");
        &self.complaints
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Both fail only when it has ended already. Its own children end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
