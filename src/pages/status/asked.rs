//! What the addresses of the pages ask for, and the addresses that ask for something else.

use crate::pages::cursor::Cursor;
use crate::pages::filter::Filter;
use crate::pages::parameters::{BadParameter, Parameters, encode};

/// Nothing has so many pages.
const MAX_PAGE: usize = 100_000;

/// What is asked of `/`.
#[derive(Debug, Default, Clone)]
pub(in crate::pages) struct HomeAsked {
    /// Only scopes of which something has this in it.
    pub(super) find: Option<String>,
    /// Only scopes in this state, by its name in the API.
    pub(super) state: Option<String>,
    /// Which page of the scopes, from 1.
    pub(super) page: usize,
    /// Whether the form is open.
    pub(super) is_open: bool,
    pub(super) is_paused: bool,
}

impl HomeAsked {
    /// Reads a query. What the page does not know is passed over: links may come with more.
    pub(in crate::pages) fn read(query: Option<&str>) -> Result<Self, BadParameter> {
        let mut parameters = Parameters::read(query)?;
        let mut text = |name| parameters.text(name).map(|text| text.trim().to_owned());
        let (find, state) = (text("find"), text("state"));
        Ok(Self {
            find: find.filter(|find| !find.is_empty()),
            state,
            is_open: text("form").as_deref() == Some("open"),
            is_paused: text("refresh").as_deref() == Some("off"),
            page: parameters.number("page", 1..=MAX_PAGE)?.unwrap_or(1),
        })
    }

    /// Whether the browser is to load the page again by itself.
    pub(in crate::pages) fn refreshes(&self) -> bool {
        !self.is_paused && !self.is_open
    }

    /// The page with another question.
    pub(super) fn link(&self) -> String {
        let page = (self.page > 1).then(|| self.page.to_string());
        let pairs = [
            ("find", self.find.as_deref()),
            ("state", self.state.as_deref()),
            ("page", page.as_deref()),
            ("form", self.is_open.then_some("open")),
            ("refresh", self.is_paused.then_some("off")),
        ];
        let query = encode(pairs.into_iter().filter_map(|(name, value)| Some((name, value?))));
        match query.is_empty() {
            true => String::from("./"),
            false => format!("./?{query}"),
        }
    }

    /// The page as it is, refreshed or not.
    pub(super) fn paused(&self, is_paused: bool) -> String {
        Self {
            is_paused,
            ..self.clone()
        }
        .link()
    }

    /// The same at another page of the table.
    pub(super) fn at(&self, page: usize) -> String {
        Self { page, ..self.clone() }.link()
    }
}

/// What is asked of `/failures`.
#[derive(Debug, Default, Clone)]
pub(in crate::pages) struct FailuresAsked {
    pub(super) filter: Filter,
    /// Whether each result has a row of its own.
    pub(super) is_list: bool,
    /// Behind which result the list goes on.
    pub(super) after: Option<Cursor>,
    /// Which page of the invocations, from 1.
    pub(super) page: usize,
    pub(super) is_open: bool,
    pub(super) is_paused: bool,
}

impl FailuresAsked {
    /// Reads a query. What the page does not know is passed over: links may come with more.
    pub(in crate::pages) fn read(query: Option<&str>) -> Result<Self, BadParameter> {
        let mut parameters = Parameters::read(query)?;
        let (filter, cursor) = Filter::take(&mut parameters)?;
        let mut is = |name, value| parameters.text(name).as_deref() == Some(value);
        let (is_list, is_open) = (is("show", "results"), is("form", "open"));
        let is_paused = is("refresh", "off");
        let after = parameters.text("after").as_deref().and_then(Cursor::parse);
        Ok(Self {
            filter,
            is_list: is_list || cursor.is_some(),
            after: after.or(cursor),
            page: parameters.number("page", 1..=MAX_PAGE)?.unwrap_or(1),
            is_open,
            is_paused,
        })
    }

    /// Whether the browser is to load the page again by itself.
    pub(in crate::pages) fn refreshes(&self) -> bool {
        !self.is_paused && !self.is_open
    }

    /// The page with another filter, from its beginning.
    pub(super) fn with(&self, filter: Filter) -> String {
        let asked = Self {
            filter,
            after: None,
            page: 1,
            is_open: false,
            ..self.clone()
        };
        asked.link()
    }

    /// The page as it is, refreshed or not.
    pub(super) fn paused(&self, is_paused: bool) -> String {
        Self {
            is_paused,
            ..self.clone()
        }
        .link()
    }

    /// The same at another page of the table.
    pub(super) fn at(&self, page: usize) -> String {
        Self { page, ..self.clone() }.link()
    }

    /// The page.
    pub(super) fn link(&self) -> String {
        let page = (self.page > 1).then(|| self.page.to_string());
        let after = self.after.as_ref().map(Cursor::to_string);
        let more = [
            ("show", self.is_list.then_some("results")),
            ("after", after.as_deref()),
            ("page", page.as_deref()),
            ("form", self.is_open.then_some("open")),
            ("refresh", self.is_paused.then_some("off")),
        ];
        let more = more.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let pairs = self.filter.pairs();
        let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
        let query = encode(pairs.chain(more));
        match query.is_empty() {
            true => String::from("./failures"),
            false => format!("./failures?{query}"),
        }
    }
}
