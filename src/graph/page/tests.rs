use super::*;

const LIST: &str = "https://graph.example/beta/external/Sets/7f-A%20b/flows";

fn page(next: &str) -> RawPage<'static> {
    RawPage {
        next: Some(next.to_owned()),
        ..read(r#"{"value":[]}"#).unwrap()
    }
}

fn read(body: &str) -> Result<RawPage<'_>, Malformed> {
    RawPage::read(body.as_bytes())
}

fn follow(link: &str) -> Result<Option<Url>, LinkError> {
    PageCursor::new(LIST.parse().unwrap()).follow(link)
}

#[test]
fn a_page_holds_items_and_perhaps_a_link() {
    for last in [
        r#"{"value":[1,2]}"#,
        r#"{"value":[1,2],"@odata.nextLink":null}"#,
        r#"{"value":[1,2],"@odata.nextLink":""}"#,
        r#"{"value":[1,2],"@odata.nextLink":" \n"}"#,
    ] {
        let last = read(last).unwrap();
        assert_eq!((last.items.get(), last.next), ("[1,2]", None));
    }
    let first = read(r#"{"@odata.nextLink":"next","value":[]}"#).unwrap();
    assert_eq!(first.next.as_deref(), Some("next"));
}

#[test]
fn what_is_no_page_is_an_error_and_not_an_empty_list() {
    let cases = [
        ("[]", Malformed::NotAnObject),
        ("{}", Malformed::Values),
        (r#"{"error":{},"value":[]}"#, Malformed::Error),
        (r#"{"value":[}"#, Malformed::Syntax),
        (r#"{"value":[],"@odata.nextLink":1}"#, Malformed::NextLink),
    ];
    for (body, expected) in cases {
        assert_eq!(read(body).unwrap_err(), expected, "{body}");
    }
}

#[test]
fn links_to_the_same_list_are_followed_verbatim() {
    let links = [
        "https://graph.example/beta/external/Sets/7f-A%20b/flows?$skiptoken=X%2FY",
        "https://GRAPH.example:443/beta/external/sets/7F-a%20B/flows?$skiptoken=1",
        "https://graph.example/beta/external/sets('7f-A%20b')/flows?$skip=2",
        "https://graph.example/beta/external/sets(%277f-A%20b%27)/flows?$skip=2",
        "https://graph.example/beta/x/../external/Sets/7f-A%20b/flows?$skip=3",
    ];
    for link in links {
        assert_eq!(follow(link), Ok(Some(link.parse().unwrap())), "{link}");
    }
    assert_eq!(
        follow("?$skip=2").unwrap().unwrap().as_str(),
        format!("{LIST}?$skip=2")
    );
}

#[test]
fn links_elsewhere_are_refused() {
    let links = [
        "http://graph.example/beta/external/Sets/7f-A%20b/flows?$skip=1",
        "https://graph.example:8443/beta/external/Sets/7f-A%20b/flows?$skip=1",
        "https://graph.example.evil.example/beta/external/Sets/7f-A%20b/flows?$skip=1",
        "https://graph.example@evil.example/beta/external/Sets/7f-A%20b/flows?$skip=1",
        "https://user:pw@graph.example/beta/external/Sets/7f-A%20b/flows?$skip=1",
        "//evil.example/beta/external/Sets/7f-A%20b/flows?$skip=1",
        "https://graph.example/beta/external/Sets/other/flows?$skip=1",
        "https://graph.example/beta/external/Sets/7f-A%20b%2Fflows?$skip=1",
        "https://graph.example/beta/external/Sets/7f-A%20b/flows/?$skip=1",
        "https://graph.example/beta/external/Sets/7f-A%20b/flows/../../x",
        "file:///etc/passwd",
    ];
    for link in links {
        assert_eq!(follow(link), Err(LinkError::Foreign), "{link}");
    }
    assert_eq!(follow("https://["), Err(LinkError::Unreadable));
}

#[test]
fn a_circle_ends_where_it_closes_at_the_first_and_at_later_pages() {
    assert_eq!(follow(LIST), Ok(None));
    assert_eq!(follow(&format!("{LIST}#again")), Ok(None));
    let mut cursor = PageCursor::new(LIST.parse().unwrap());
    assert!(cursor.next(&page("?a")).unwrap().is_some());
    assert!(cursor.next(&page("?b")).unwrap().is_some());
    assert!(cursor.next(&page("?a")).unwrap().is_none());
}

#[test]
fn an_endless_list_ends() {
    let mut cursor = PageCursor::new(LIST.parse().unwrap());
    let pages = (0..).take_while(|number| cursor.next(&page(&format!("?p={number}"))).is_ok());
    assert_eq!(pages.count(), MAX_PAGES - 1);
}

#[test]
fn a_list_larger_than_memory_allows_is_refused_before_it_is_read() {
    let mut cursor = PageCursor::new(LIST.parse().unwrap());
    let large = RawPage {
        bytes: MAX_LIST_BYTES,
        ..page("?a")
    };
    assert!(cursor.next(&large).is_ok());
    assert!(matches!(cursor.next(&page("?b")), Err(Failure::TooLarge)));
}
