use std::collections::BTreeMap;

use industrydata_testbed::prometheus::{Case, Page};
use serde_json::json;

fn page(at: i64, text: &str) -> Page {
    Page {
        at,
        labels: BTreeMap::from([("pod".to_owned(), "a".to_owned())]),
        text: text.to_owned(),
    }
}

#[tokio::test]
async fn what_a_target_no_longer_has_is_over_at_once_and_an_alert_with_it() {
    let both = "# TYPE one gauge\none 1\n# TYPE other gauge\nother 1\n# EOF\n";
    let other = "# TYPE other gauge\nother 1\n# EOF\n";
    let rule = |name: &str| json!({ "alert": name, "expr": format!("{name} == 1"), "for": "2m" });
    let case = Case {
        rules: vec![rule("one"), rule("other")],
        queries: vec!["one".to_owned(), "other".to_owned()],
        // At the end it cannot be scraped.
        pages: vec![
            page(0, both),
            page(60, both),
            page(120, other),
            page(180, ""),
        ],
        until: 240,
        ..Case::default()
    };
    let answer = case.ask().await.unwrap();
    let results = [("one".to_owned(), 2), ("other".to_owned(), 3)];
    assert_eq!(answer.results, BTreeMap::from(results));
    let alerts = answer.alerts.iter();
    let times = alerts.map(|alert| (&*alert.name, alert.since, alert.until, alert.fired));
    let expected = [("one", 0, 60, false), ("other", 0, 120, true)];
    assert_eq!(times.collect::<Vec<_>>(), expected);
}
