//! The real Prometheus, with the configuration, the rules and the dashboard that we ship.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use overspill_wire::paths;
use serde_json::Value;

use super::{fleet, repository};
use crate::{
    fleet::Fleet,
    http::{self, Wire, request},
    stage::{LONG, wait_for},
    tools::{Need, has, run},
};

const NEEDS: &[Need] = &[Need::Program("prometheus"), Need::Program("promtool")];

/// A Prometheus of this test alone.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts it over our configuration, with the nodes of `fleet` for targets.
    fn start(fleet: &Fleet) -> Self {
        let folder = fleet.stage.path("prometheus");
        configure(&folder, fleet);
        let log = folder.join("log");
        let child = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                folder.join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut prometheus = Self {
            child,
            address: ([127, 0, 0, 1], 0).into(),
        };
        wait_for("the address of Prometheus", LONG, || {
            let ended = prometheus.child.try_wait().unwrap();
            let log = fs::read_to_string(&log).unwrap();
            assert!(ended.is_none(), "it ended: {log}");
            let mut lines = log.lines().filter(|line| line.contains("\"Listening on\""));
            let address = lines.find_map(|line| line.rsplit_once("address=")?.1.parse().ok());
            prometheus.address = address.unwrap_or(prometheus.address);
            address.is_some()
        });
        wait_for("a Prometheus that is ready", LONG, || {
            http::get(prometheus.address, "/-/ready", "").status == 200
        });
        prometheus
    }

    /// The data of its API.
    fn api(&self, target: &str) -> Value {
        let mut wire = Wire::open(self.address).unwrap();
        let target = format!("/api/v1/{target}");
        wire.send(request("GET", self.address, &target, ""));
        let head = wire.head().unwrap();
        let body = match head.field("transfer-encoding") {
            Some(_) => wire.chunked_body().unwrap(),
            None => wire.body(head.length()),
        };
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["status"], "success", "{target}: {answer}");
        answer["data"].clone()
    }

    /// What a query yields.
    fn query(&self, query: &str) -> Vec<Value> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let data = self.api(&format!("query?query={encoded}"));
        data["result"].as_array().unwrap().clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Puts our files into `folder`, with a faster clock.
fn configure(folder: &Path, fleet: &Fleet) {
    fs::create_dir(folder).unwrap();
    let ours =
        |name: &str| fs::read_to_string(repository("contrib/prometheus").join(name)).unwrap();
    let config = ours("prometheus.yml");
    let faster = config.replace("_interval: 10s", "_interval: 1s");
    assert_ne!(config, faster);
    fs::write(folder.join("prometheus.yml"), faster).unwrap();
    fs::write(folder.join("alerts.yml"), ours("alerts.yml")).unwrap();
    let targets: Vec<String> = fleet.nodes().map(|node| node.address.to_string()).collect();
    let targets = serde_json::json!([{ "targets": targets }]);
    fs::write(folder.join("overspill-targets.json"), targets.to_string()).unwrap();
}

#[test]
fn a_real_prometheus_scrapes_every_node_and_loads_the_rules() {
    if !has(
        "a_real_prometheus_scrapes_every_node_and_loads_the_rules",
        NEEDS,
    ) {
        return;
    }
    let fleet = fleet();
    let prometheus = Prometheus::start(&fleet);
    wait_for("scrapes of both nodes", LONG, || {
        let up = prometheus.query("up{job=\"overspill\"} == 1"); // lexicon-ok: a word of Prometheus
        up.len() == 2
    });
    for target in prometheus.api("targets")["activeTargets"]
        .as_array()
        .unwrap()
    {
        assert_eq!(target["lastError"], "", "{target}");
        assert_eq!(target["health"], "up", "{target}");
    }
    let rules = prometheus.api("rules");
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() >= 10, "{rules:?}");
    wait_for("every rule evaluated without complaint", LONG, || {
        let rules = prometheus.api("rules");
        let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
        rules.iter().all(|rule| rule["health"] == "ok")
    });
    let firing = prometheus.query("ALERTS{alertstate=\"firing\"}");
    assert!(firing.is_empty(), "all is well: {firing:?}");
    every_panel_is_a_query(&prometheus);
}

/// Asks what each panel of the dashboard asks; those without a rate or a share have an answer.
fn every_panel_is_a_query(prometheus: &Prometheus) {
    let text = fs::read_to_string(repository("contrib/grafana/overspill.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let mut asked = 0;
    for target in targets.flatten() {
        let query = target["expr"].as_str().unwrap();
        let query = query
            .replace("$__rate_interval", "1m")
            .replace("$instance", ".*");
        let result = prometheus.query(&query);
        let is_plain = !query.contains("[1m]");
        assert!(!is_plain || !result.is_empty(), "nothing for {query}");
        asked += 1;
    }
    assert!(asked > 30, "{asked}");
}

#[test]
fn promtool_finds_nothing_to_complain_of() {
    if !has("promtool_finds_nothing_to_complain_of", NEEDS) {
        return;
    }
    let fleet = fleet();
    let folder = fleet.stage.path("prometheus");
    configure(&folder, &fleet);
    run(Command::new("promtool")
        .args(["check", "config"])
        .arg(folder.join("prometheus.yml")));
    run(Command::new("promtool")
        .args(["check", "rules"])
        .arg(folder.join("alerts.yml")));
    fs::copy(
        repository("contrib/prometheus/alerts_test.yml"),
        folder.join("alerts_test.yml"),
    )
    .unwrap();
    run(Command::new("promtool")
        .args(["test", "rules"])
        .arg(folder.join("alerts_test.yml")));
    for node in fleet.nodes() {
        let text = fleet.stage.path("scraped");
        fs::write(&text, node.get(paths::METRICS).body).unwrap();
        let mut check = Command::new("promtool");
        check
            .args(["check", "metrics"])
            .stdin(File::open(&text).unwrap());
        let checked = check.output().unwrap();
        let complaint = String::from_utf8_lossy(&checked.stderr);
        assert!(
            checked.status.success() && complaint.is_empty(),
            "{complaint}"
        );
    }
}
