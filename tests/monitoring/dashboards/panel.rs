//! Panels and dashboards as code: what all of them have in common is written here, once.

use serde_json::{Value, json};

/// Where a query's own labels come behind: the job and the instances that are chosen.
const CHOSEN: &str = r#"job="bappy",instance=~"$instance""#;

/// The width of a dashboard, in Grafana's units.
const WIDTH: u32 = 24;

/// A dashboard.
pub struct Dashboard {
    pub uid: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    /// Variables beside those that all have.
    pub variables: Vec<Value>,
    pub rows: Vec<Row>,
}

/// Panels that belong together.
pub struct Row {
    pub title: &'static str,
    pub panels: Vec<Panel>,
}

/// One panel.
pub struct Panel {
    kind: &'static str,
    title: &'static str,
    description: &'static str,
    unit: &'static str,
    width: u32,
    height: u32,
    queries: Vec<(String, &'static str)>,
    steps: Vec<(Option<f64>, &'static str)>,
    mappings: Value,
    max: Option<f64>,
    stacked: bool,
    as_table: bool,
    runbook: Option<&'static str>,
}

/// A panel of lines over time. In queries `SEL` stands for what is chosen, `RATE` for the interval
/// of rates.
pub fn lines(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel {
        kind: "timeseries",
        title,
        description,
        unit,
        width: 8,
        height: 8,
        queries: Vec::new(),
        steps: vec![(None, "green")],
        mappings: json!([]),
        max: None,
        stacked: false,
        as_table: false,
        runbook: None,
    }
}

/// A panel with one figure as it is now.
pub fn figure(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel { kind: "stat", width: 4, height: 5, ..lines(title, unit, description) }
}

/// A panel with a table of what is now.
pub fn table(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel { kind: "table", as_table: true, width: 12, ..lines(title, unit, description) }
}

/// A panel with the share of the time that something was in each of its states.
pub fn states(title: &'static str, description: &'static str) -> Panel {
    Panel { kind: "state-timeline", width: 12, height: 6, ..lines(title, "short", description) }
}

impl Panel {
    /// Adds a query, with the legend of its series.
    pub fn query(mut self, expr: &str, legend: &'static str) -> Self {
        let expr = expr.replace("{SEL", &format!("{{{CHOSEN}"));
        let expr = expr.replace("[RATE]", "[$__rate_interval]");
        let expr = expr.split_whitespace().collect::<Vec<_>>().join(" ");
        self.queries.push((expr, legend));
        self
    }

    /// Median and 99th percentile of a histogram, all together or by a label.
    pub fn quantiles(self, histogram: &str) -> Self {
        let of = |q: &str| {
            format!("histogram_quantile({q}, sum by (le) (rate({histogram}_bucket{{SEL}}[RATE])))")
        };
        self.query(&of("0.5"), "median").query(&of("0.99"), "99th percentile")
    }

    /// The 99th percentile of a histogram by a label.
    pub fn p99_by(self, histogram: &str, label: &'static str, legend: &'static str) -> Self {
        let expr = format!(
            "histogram_quantile(0.99, sum by (le, {label}) (rate({histogram}_bucket{{SEL}}[RATE])))"
        );
        self.query(&expr, legend)
    }

    /// Turns yellow at one value and red at another.
    pub fn limits(mut self, yellow: f64, red: f64) -> Self {
        self.steps = vec![(None, "green"), (Some(yellow), "yellow"), (Some(red), "red")];
        self
    }

    /// Turns red at a value.
    pub fn limit(mut self, red: f64) -> Self {
        self.steps = vec![(None, "green"), (Some(red), "red")];
        self
    }

    /// Red below a value.
    pub fn at_least(mut self, green: f64) -> Self {
        self.steps = vec![(None, "red"), (Some(green), "green")];
        self
    }

    /// The top of its scale.
    pub fn max(mut self, max: f64) -> Self {
        self.max = Some(max);
        self
    }

    /// Lines on top of each other.
    pub fn stacked(mut self) -> Self {
        self.stacked = true;
        self
    }

    pub fn width(mut self, width: u32) -> Self {
        self.width = width;
        self
    }

    /// Words for values.
    pub fn words(mut self, words: &[(&str, &str, &str)]) -> Self {
        let options: serde_json::Map<String, Value> = words
            .iter()
            .map(|(value, text, color)| {
                ((*value).to_owned(), json!({"text": text, "color": color}))
            })
            .collect();
        self.mappings = json!([{"type": "value", "options": options}]);
        self
    }

    /// The section of the runbook for when it is red.
    pub fn runbook(mut self, section: &'static str) -> Self {
        self.runbook = Some(section);
        self
    }

    fn description(&self) -> String {
        match self.runbook {
            Some(section) => format!("{} Runbook: {section}.", self.description),
            None => self.description.to_owned(),
        }
    }

    fn json(&self, id: u32, (x, y): (u32, u32)) -> Value {
        let instant = matches!(self.kind, "stat" | "table");
        let targets: Vec<Value> = self
            .queries
            .iter()
            .zip('A'..)
            .map(|((expr, legend), name)| {
                json!({
                    "datasource": datasource(),
                    "editorMode": "code",
                    "expr": expr,
                    "format": if self.as_table { "table" } else { "time_series" },
                    "instant": instant,
                    "range": !instant,
                    "legendFormat": legend,
                    "refId": name.to_string(),
                })
            })
            .collect();
        let mut defaults = json!({
            "unit": self.unit,
            "min": 0,
            "thresholds": { "mode": "absolute", "steps": self.steps() },
            "mappings": self.mappings,
            "custom": self.custom(),
        });
        if let Some(max) = self.max {
            defaults["max"] = json!(max);
        }
        json!({
            "id": id,
            "type": self.kind,
            "title": self.title,
            "description": self.description(),
            "datasource": datasource(),
            "gridPos": { "x": x, "y": y, "w": self.width, "h": self.height },
            "fieldConfig": { "defaults": defaults, "overrides": [] },
            "options": self.options(),
            "targets": targets,
            "transformations": self.transformations(),
        })
    }

    fn steps(&self) -> Vec<Value> {
        let step = |(value, color): &(Option<f64>, &str)| json!({"value": value, "color": color});
        self.steps.iter().map(step).collect()
    }

    fn custom(&self) -> Value {
        let style = if self.steps.len() > 1 { "dashed" } else { "off" };
        match self.kind {
            "timeseries" => json!({
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": if self.stacked { 20 } else { 5 },
                "showPoints": "never",
                "spanNulls": false,
                "stacking": { "mode": if self.stacked { "normal" } else { "none" }, "group": "A" },
                "thresholdsStyle": { "mode": style },
            }),
            "state-timeline" => json!({ "fillOpacity": 80, "lineWidth": 0 }),
            "table" => json!({ "align": "auto", "filterable": true }),
            _ => json!({}),
        }
    }

    fn options(&self) -> Value {
        match self.kind {
            "stat" => json!({
                "colorMode": "background",
                "graphMode": "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "textMode": if self.queries.len() > 1 { "value_and_name" } else { "auto" },
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
            }),
            "table" => json!({ "showHeader": true, "cellHeight": "sm" }),
            "state-timeline" => json!({
                "mergeValues": true,
                "showValue": "never",
                "rowHeight": 0.9,
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "single", "sort": "none" },
            }),
            _ => json!({
                "legend": { "displayMode": "table", "placement": "bottom", "showLegend": true,
                    "calcs": ["lastNotNull", "max"] },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
        }
    }

    fn transformations(&self) -> Value {
        if !self.as_table {
            return json!([]);
        }
        let names: serde_json::Map<String, Value> = self
            .queries
            .iter()
            .zip('A'..)
            .map(|((_, legend), name)| (format!("Value #{name}"), json!(legend)))
            .collect();
        json!([
            { "id": "merge", "options": {} },
            { "id": "organize", "options": {
                "excludeByName": { "Time": true }, "renameByName": names } },
        ])
    }
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

impl Dashboard {
    /// The dashboard as Grafana reads it.
    pub fn json(&self) -> Value {
        let (mut panels, mut id, mut y) = (Vec::new(), 0, 0);
        for row in &self.rows {
            id += 1;
            panels.push(json!({
                "id": id, "type": "row", "title": row.title, "collapsed": false, "panels": [],
                "gridPos": { "x": 0, "y": y, "w": WIDTH, "h": 1 },
            }));
            y += 1;
            let (mut x, mut height) = (0, 0);
            for panel in &row.panels {
                if x + panel.width > WIDTH {
                    (x, y, height) = (0, y + height, 0);
                }
                id += 1;
                panels.push(panel.json(id, (x, y)));
                x += panel.width;
                height = height.max(panel.height);
            }
            y += height;
        }
        json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["bappy"],
            "timezone": "utc",
            "editable": false,
            "graphTooltip": 1,
            "schemaVersion": 39,
            "version": 1,
            "refresh": "30s",
            "time": { "from": "now-1h", "to": "now" },
            "links": links(),
            "annotations": { "list": [restarts()] },
            "templating": { "list": self.variables() },
            "panels": panels,
        })
    }

    fn variables(&self) -> Vec<Value> {
        let mut all = vec![
            json!({
                "name": "datasource", "label": "Data source", "type": "datasource",
                "query": "prometheus", "current": {}, "hide": 0, "includeAll": false,
                "multi": false, "options": [], "refresh": 1, "regex": "",
            }),
            variable("instance", "Instance", r#"label_values(up{job="bappy"}, instance)"#),
        ];
        all.extend(self.variables.iter().cloned());
        all
    }
}

/// A variable with the values of a label, of which several can be chosen.
pub fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name, "label": label, "type": "query", "datasource": datasource(),
        "definition": query, "query": { "query": query, "refId": name }, "refresh": 2,
        "includeAll": true, "allValue": ".*", "multi": true, "hide": 0, "sort": 1,
        "current": { "selected": true, "text": ["All"], "value": ["$__all"] },
        "options": [], "regex": "", "skipUrlSync": false,
    })
}

/// To the other dashboards, with the same time and variables.
fn links() -> Value {
    json!([{
        "type": "dashboards", "tags": ["bappy"], "title": "Bappy", "asDropdown": false,
        "icon": "external link", "includeVars": true, "keepTime": true, "targetBlank": false,
        "tooltip": "", "url": "",
    }])
}

/// Marks when an instance was started.
fn restarts() -> Value {
    json!({
        "name": "Starts", "datasource": datasource(), "enable": true, "hide": false,
        "iconColor": "blue", "titleFormat": "{{instance}} was started",
        "expr": r#"changes(process_start_time_seconds{job="bappy"}[1m]) > 0"#, "step": "60s",
    })
}
