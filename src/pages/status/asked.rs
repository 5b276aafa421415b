//! What the addresses of the pages ask for, and the addresses that ask for something else.

use crate::pages::cursor::Cursor;
use crate::pages::filter::Filter;
use crate::pages::parameters::{BadParameter, Parameters, address};

/// Nothing has so many pages.
const MAX_PAGE: usize = 100_000;

/// What keeps a page from being loaded again by itself.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loading {
    /// Its form is open.
    pub(super) is_open: bool,
    /// Somebody has stopped it.
    pub(super) is_paused: bool,
}

impl Loading {
    fn take(parameters: &mut Parameters) -> Self {
        let mut is = |name, value| parameters.text(name).as_deref() == Some(value);
        Self {
            is_open: is("form", "open"),
            is_paused: is("refresh", "off"),
        }
    }

    /// Whether the browser is to load the page again by itself.
    fn refreshes(self) -> bool {
        !self.is_paused && !self.is_open
    }

    /// The same without the form.
    fn closed(self) -> Self {
        Self {
            is_open: false,
            ..self
        }
    }

    /// The same with the form where there was none, and the reverse.
    pub(super) fn toggled(self) -> Self {
        Self {
            is_open: !self.is_open,
            ..self
        }
    }

    /// Stopped where it was not, and the reverse.
    pub(super) fn turned(self) -> Self {
        Self {
            is_paused: !self.is_paused,
            ..self
        }
    }

    fn pairs(self) -> [(&'static str, Option<&'static str>); 2] {
        [
            ("form", self.is_open.then_some("open")),
            ("refresh", self.is_paused.then_some("off")),
        ]
    }
}

/// Those that are set.
fn set<'a>(
    pairs: impl IntoIterator<Item = (&'static str, Option<&'a str>)>,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    let pairs = pairs.into_iter();
    pairs.filter_map(|(name, value)| Some((name, value?)))
}

/// What is asked of `/`.
#[derive(Debug, Clone)]
pub(in crate::pages) struct HomeAsked {
    /// Only scopes of which something has this in it.
    pub(super) find: Option<String>,
    /// Only scopes in this state, by its name in the API.
    pub(super) state: Option<String>,
    /// Which page of the scopes, from 1.
    pub(super) page: usize,
    pub(super) loading: Loading,
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
            loading: Loading::take(&mut parameters),
            page: parameters.number("page", 1..=MAX_PAGE)?.unwrap_or(1),
        })
    }

    /// The page of everything.
    pub(super) fn all(loading: Loading) -> Self {
        Self {
            find: None,
            state: None,
            page: 1,
            loading: loading.closed(),
        }
    }

    /// Whether the browser is to load the page again by itself.
    pub(in crate::pages) fn refreshes(&self) -> bool {
        self.loading.refreshes()
    }

    /// The page with another question.
    pub(super) fn link(&self) -> String {
        let page = (self.page > 1).then(|| self.page.to_string());
        let pairs = [
            ("find", self.find.as_deref()),
            ("state", self.state.as_deref()),
            ("page", page.as_deref()),
        ];
        address("./", set(pairs.into_iter().chain(self.loading.pairs())))
    }

    /// The scopes of which something has this in it.
    pub(super) fn finding(&self, find: &str) -> String {
        let find = Some(find.to_owned());
        let all = Self::all(self.loading);
        Self { find, ..all }.link()
    }

    /// The page as it is, loaded otherwise.
    pub(super) fn loaded(&self, loading: Loading) -> String {
        Self {
            loading,
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
#[derive(Debug, Clone)]
pub(in crate::pages) struct FailuresAsked {
    pub(super) filter: Filter,
    /// Whether each result has a row of its own.
    pub(super) is_list: bool,
    /// Behind which result the list goes on.
    pub(super) after: Option<Cursor>,
    /// Which page of the invocations, from 1.
    pub(super) page: usize,
    pub(super) loading: Loading,
}

impl FailuresAsked {
    /// Reads a query. What the page does not know is passed over: links may come with more.
    pub(in crate::pages) fn read(query: Option<&str>) -> Result<Self, BadParameter> {
        let mut parameters = Parameters::read(query)?;
        let (filter, cursor) = Filter::take(&mut parameters)?;
        let is_list = parameters.text("show").as_deref() == Some("results");
        let after = parameters.text("after").as_deref().and_then(Cursor::parse);
        Ok(Self {
            filter,
            is_list: is_list || cursor.is_some(),
            after: after.or(cursor),
            loading: Loading::take(&mut parameters),
            page: parameters.number("page", 1..=MAX_PAGE)?.unwrap_or(1),
        })
    }

    /// The page of everything.
    pub(super) fn all(loading: Loading) -> Self {
        Self {
            filter: Filter::default(),
            is_list: false,
            after: None,
            page: 1,
            loading: loading.closed(),
        }
    }

    /// Whether the browser is to load the page again by itself.
    pub(in crate::pages) fn refreshes(&self) -> bool {
        self.loading.refreshes()
    }

    /// The page with another filter, from its beginning.
    pub(super) fn with(&self, filter: Filter) -> String {
        let beginning = Self::all(self.loading);
        let is_list = self.is_list;
        Self {
            filter,
            is_list,
            ..beginning
        }
        .link()
    }

    /// The same from its beginning, with a row for each result or for each invocation.
    pub(super) fn listed(&self, is_list: bool) -> Self {
        Self {
            is_list,
            after: None,
            page: 1,
            ..self.clone()
        }
    }

    /// The page as it is, loaded otherwise.
    pub(super) fn loaded(&self, loading: Loading) -> String {
        Self {
            loading,
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
        ];
        let pairs = self.filter.pairs();
        let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
        let more = set(more.into_iter().chain(self.loading.pairs()));
        address("./failures", pairs.chain(more))
    }
}
