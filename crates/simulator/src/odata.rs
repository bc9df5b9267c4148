//! Query options: `$top $skip $select $expand $count $filter $orderby $search`, with or without `$`, and paging.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use url::form_urlencoded;

use crate::{
    behavior::{QueryOptions, Reception},
    problem::Problem,
    request::Request,
    validate::Object,
};

/// What the query asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    top: Option<usize>,
    skip: usize,
    select: Option<Vec<String>>,
    pub(crate) expand: Expand,
    count: bool,
    filter: Option<(String, String)>,
    orderby: Option<(String, Direction)>,
    search: Option<String>,
    position: Option<Position>,
}

/// What is expanded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Expand {
    #[default]
    Nothing,
    ProvisioningFlows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ascending,
    Descending,
}

/// Where a page starts: what a `$skiptoken` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    after: u64,
    /// The page before was followed by an empty one already.
    rested: bool,
}

/// How long pages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paging {
    pub(crate) size: usize,
    pub(crate) empty_pages: bool,
}

/// An object of a collection and its place in it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) ordinal: u64,
    pub(crate) object: Object,
}

impl Query {
    /// Reads the query of a request.
    pub(crate) fn of(request: &Request, allowed: &QueryOptions) -> Result<Self, Problem> {
        let mut query = Self::default();
        for (name, value) in
            form_urlencoded::parse(request.query.as_deref().unwrap_or_default().as_bytes())
        {
            query.option(&name, &value, allowed)?;
        }
        Ok(query)
    }

    fn option(&mut self, name: &str, value: &str, allowed: &QueryOptions) -> Result<(), Problem> {
        let plain = name.trim_start_matches('$').to_ascii_lowercase();
        let reception = match plain.as_str() {
            "top" => allowed.top,
            "skip" => allowed.skip,
            "select" => allowed.select,
            "expand" => allowed.expand,
            "count" => allowed.count,
            "filter" => allowed.filter,
            "orderby" => allowed.orderby,
            "search" => allowed.search,
            "skiptoken" => Reception::Accept,
            _ if name.starts_with('$') => Reception::Refuse,
            _ => Reception::Ignore,
        };
        match reception {
            Reception::Accept => self.accept(&plain, value),
            Reception::Ignore => Ok(()),
            Reception::Refuse => Err(Problem::bad_request(format!(
                "the query option `{name}` is not supported"
            ))),
        }
    }

    fn accept(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let wrong = || {
            Problem::bad_request(format!(
                "the value of the query option `{name}` is not valid"
            ))
        };
        match name {
            "top" => self.top = Some(value.parse().map_err(|_| wrong())?),
            "skip" => self.skip = value.parse().map_err(|_| wrong())?,
            "select" => {
                self.select = Some(
                    value
                        .split(',')
                        .map(|name| name.trim().to_owned())
                        .collect(),
                );
            }
            "expand" if value.eq_ignore_ascii_case("provisioningFlows") => {
                self.expand = Expand::ProvisioningFlows;
            }
            "count" => self.count = value.parse().map_err(|_| wrong())?,
            "filter" => self.filter = Some(filter(value).ok_or_else(wrong)?),
            "orderby" => self.orderby = Some(order(value).ok_or_else(wrong)?),
            "search" => self.search = Some(value.trim_matches('"').to_ascii_lowercase()),
            "skiptoken" => self.position = Some(Position::decode(value).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// Keeps only what `$select` names, and annotations.
    pub(crate) fn selected(&self, mut object: Object) -> Object {
        if let Some(names) = &self.select {
            object.retain(|name, _| {
                let property = name.split('@').next().unwrap_or_default();
                property.is_empty()
                    || names
                        .iter()
                        .any(|wanted| wanted.eq_ignore_ascii_case(property))
            });
        }
        object
    }

    /// One page of a collection, as the body of an answer.
    pub(crate) fn page(
        &self,
        context: String,
        items: Vec<Item>,
        paging: Paging,
        request: &Request,
    ) -> Object {
        let items = self.arranged(items);
        let total = items.len();
        let start = self.start(&items);
        let size = if self.owes_rest(paging) {
            0
        } else {
            self.top.unwrap_or(paging.size).min(paging.size)
        };
        let end = total.min(start.saturating_add(size));
        let next =
            (end < total && self.top != Some(0)).then(|| self.next(&items, end, size, request));
        let mut body = Object::new();
        body.insert("@odata.context".to_owned(), Value::from(context));
        if self.count {
            body.insert("@odata.count".to_owned(), Value::from(total));
        }
        if let Some(link) = next {
            body.insert("@odata.nextLink".to_owned(), Value::from(link));
        }
        let shown = items.into_iter().skip(start).take(end - start.min(end));
        body.insert(
            "value".to_owned(),
            shown
                .map(|item| Value::Object(self.selected(item.object)))
                .collect(),
        );
        body
    }

    fn owes_rest(&self, paging: Paging) -> bool {
        paging.empty_pages && self.position.is_some_and(|position| !position.rested)
    }

    fn arranged(&self, items: Vec<Item>) -> Vec<Item> {
        let mut items: Vec<Item> = items
            .into_iter()
            .filter(|item| self.matches(&item.object))
            .collect();
        if let Some((name, direction)) = &self.orderby {
            items.sort_by_key(|item| text(&item.object, name).to_owned());
            if *direction == Direction::Descending {
                items.reverse();
            }
        }
        items
    }

    fn matches(&self, object: &Object) -> bool {
        let filtered = self
            .filter
            .as_ref()
            .is_none_or(|(name, wanted)| text(object, name) == wanted);
        let found = |wanted: &String| {
            text(object, "displayName")
                .to_ascii_lowercase()
                .contains(wanted)
        };
        filtered && self.search.as_ref().is_none_or(found)
    }

    /// The token names the last item seen, so that nothing is missed when one before it is deleted between two pages.
    fn start(&self, items: &[Item]) -> usize {
        let Some(Position { after, .. }) = self.position else {
            return self.skip;
        };
        let seen = items
            .iter()
            .position(|item| item.ordinal == after)
            .map(|at| at + 1);
        let next = || items.iter().position(|item| item.ordinal > after);
        seen.or_else(next).unwrap_or(items.len())
    }

    fn next(&self, items: &[Item], end: usize, size: usize, request: &Request) -> String {
        let before = self.position.map_or(0, |position| position.after);
        let last = end
            .checked_sub(1)
            .and_then(|at| items.get(at))
            .map_or(before, |item| item.ordinal);
        let token = Position {
            after: last,
            rested: size == 0,
        }
        .encode();
        let kept = request
            .query
            .as_deref()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty() && !places(pair));
        let query: Vec<&str> = kept.collect();
        let separator = if query.is_empty() { "" } else { "&" };
        format!(
            "{}{}?{}{separator}$skiptoken={token}",
            request.base,
            request.path,
            query.join("&")
        )
    }
}

impl Position {
    fn encode(self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{}/{}", self.after, u8::from(self.rested)))
    }

    fn decode(token: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (after, rested) = text.split_once('/')?;
        Some(Self {
            after: after.parse().ok()?,
            rested: rested == "1",
        })
    }
}

fn places(pair: &str) -> bool {
    let name = form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default();
    matches!(
        name.trim_start_matches('$').to_ascii_lowercase().as_str(),
        "skip" | "skiptoken"
    )
}

fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    let property = object
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    property
        .and_then(|(_, value)| value.as_str())
        .unwrap_or_default()
}

fn filter(expression: &str) -> Option<(String, String)> {
    let (name, rest) = expression.trim().split_once(" eq ")?;
    let quoted = rest.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    Some((name.trim().to_owned(), quoted.replace("''", "'")))
}

fn order(expression: &str) -> Option<(String, Direction)> {
    let mut words = expression.split_whitespace();
    let name = words.next()?.to_owned();
    match words.next() {
        None | Some("asc") => Some((name, Direction::Ascending)),
        Some("desc") => Some((name, Direction::Descending)),
        Some(_) => None,
    }
}
