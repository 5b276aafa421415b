//! The proxies that the environment names: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower
//! case.
//!
//! They are read here, and not by the HTTP client itself, which goes without a proxy where it cannot use the one that
//! is named: requests would leave by a way that somebody meant to close.

use std::fmt;
use std::sync::Arc;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Proxy, Url};

use super::error::{Place, Problem};
use crate::shown::cut;

const EXPECTED: &str = "is not the address of a proxy that can be used; expected http(s)://[user:password@]host[:port], or nothing";

/// Which requests go through which proxy.
#[derive(Clone)]
pub struct Proxies {
    http: Option<Named>,
    https: Option<Named>,
    matcher: Arc<Matcher>,
}

/// A proxy with the variable that names it.
#[derive(Clone)]
struct Named {
    variable: &'static str,
    /// May hold a password.
    url: Url,
}

impl Proxies {
    /// Reads the variables; one that is empty counts as not set, so that it does not hide the other case's.
    ///
    /// # Errors
    /// Each variable whose proxy cannot be used. Its value is not shown, for it may hold a password.
    pub fn read(environment: &[(String, String)]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut proxy = |names| {
            let (variable, text) = first(environment, names)?;
            let url = parse(text);
            if url.is_none() {
                problems.push(Problem {
                    place: Place::Variable(variable.to_owned()),
                    key: String::new(),
                    message: EXPECTED.to_owned(),
                });
            }
            url.map(|url| Named { variable, url })
        };
        let all = proxy(["ALL_PROXY", "all_proxy"]);
        let http = proxy(["HTTP_PROXY", "http_proxy"]).or_else(|| all.clone());
        let https = proxy(["HTTPS_PROXY", "https_proxy"]).or(all);
        if !problems.is_empty() {
            return Err(problems);
        }
        let url = |proxy: &Option<Named>| {
            proxy
                .as_ref()
                .map_or_else(String::new, |proxy| proxy.url.to_string())
        };
        let excepted = first(environment, ["NO_PROXY", "no_proxy"]).map_or("", |(_, text)| text);
        let matcher = Matcher::builder()
            .http(url(&http))
            .https(url(&https))
            .no(excepted)
            .build();
        Ok(Self {
            http,
            https,
            matcher: Arc::new(matcher),
        })
    }

    /// For an HTTP client, which is to use no other.
    pub fn for_client(&self) -> Proxy {
        let proxies = self.clone();
        Proxy::custom(move |url| proxies.of(url).map(|proxy| proxy.url.clone()))
    }

    /// Where a request goes, for people: its host, and the proxy that it goes through.
    pub fn route(&self, url: &Url) -> String {
        let host = cut(url.host_str().unwrap_or("an address without a host"));
        let host = url
            .port()
            .map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        match self.of(url) {
            None => host,
            Some(Named { variable, url }) => {
                let proxy = cut(url.host_str().unwrap_or_default());
                let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
                format!(
                    "{host} through the proxy {}://{proxy}{port} of {variable}",
                    url.scheme()
                )
            }
        }
    }

    fn of(&self, url: &Url) -> Option<&Named> {
        let uri: Uri = url.as_str().parse().ok()?;
        self.matcher.intercept(&uri)?;
        match url.scheme() {
            "http" => self.http.as_ref(),
            _ => self.https.as_ref(),
        }
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = |proxy: &Option<Named>| proxy.as_ref().map(|proxy| proxy.variable);
        formatter
            .debug_struct("Proxies")
            .field("http", &variable(&self.http))
            .field("https", &variable(&self.https))
            .finish_non_exhaustive()
    }
}

/// The first of two variables that is set to something.
fn first<'a>(
    environment: &'a [(String, String)],
    names: [&'static str; 2],
) -> Option<(&'static str, &'a str)> {
    names.into_iter().find_map(|name| {
        let (_, value) = environment.iter().find(|(variable, _)| variable == name)?;
        let value = value.trim();
        (!value.is_empty()).then_some((name, value))
    })
}

/// A proxy's address; `http://` may be left out, as everywhere.
fn parse(text: &str) -> Option<Url> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    // A URL's parser takes `http:/proxy` for a host named http, and any number of slashes for two.
    let is_whole =
        !rest.starts_with('/') && (text.contains("://") || !rest.trim_end_matches('/').contains('/'));
    let url = Url::parse(&format!("{scheme}://{rest}")).ok()?;
    if !is_whole || !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    // What the matcher does not take would be gone around without a word.
    let matcher = Matcher::builder().all(url.to_string()).build();
    matcher.intercept(&Uri::from_static("http://host/"))?;
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Proxies, Vec<String>> {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Proxies::read(&variables).map_err(|problems| {
            problems
                .into_iter()
                .map(|problem| match problem.place {
                    Place::Variable(name) => format!("{name}: {}", problem.message),
                    _ => problem.message,
                })
                .collect()
        })
    }

    fn route(variables: &[(&str, &str)], url: &str) -> String {
        read(variables).unwrap().route(&Url::parse(url).unwrap())
    }

    #[test]
    fn requests_are_led_by_scheme_and_exceptions() {
        let ecs = "https://ecs.cn-beijing.aliyuncs.com/?Action=x";
        assert_eq!(route(&[], ecs), "ecs.cn-beijing.aliyuncs.com");
        let https = ("HTTPS_PROXY", "http://user:hunter2@proxy.example:3128/ignored");
        assert_eq!(
            route(&[https], ecs),
            "ecs.cn-beijing.aliyuncs.com through the proxy http://proxy.example:3128 of HTTPS_PROXY"
        );
        assert_eq!(route(&[https], "http://127.0.0.1:80/x"), "127.0.0.1");
        for empty in ["", " "] {
            assert_eq!(
                route(&[("HTTPS_PROXY", empty), ("https_proxy", "10.0.0.1:3128")], ecs),
                "ecs.cn-beijing.aliyuncs.com through the proxy http://10.0.0.1:3128 of https_proxy",
                "an empty one hides nothing"
            );
        }
        assert_eq!(
            route(&[("all_proxy", "https://[::1]:8443")], "http://a.example:81"),
            "a.example:81 through the proxy https://[::1]:8443 of all_proxy"
        );
        let excepted = [https, ("NO_PROXY", ""), ("no_proxy", ".aliyuncs.com")];
        assert_eq!(route(&excepted, ecs), "ecs.cn-beijing.aliyuncs.com");
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_shown() {
        for value in [
            "http://hunter2:a b:3128",
            "http://",
            "hunter2://proxy:3128",
            "socks5://hunter2:1080",
            "http://hunter2:99999",
            "http://hunter2:port",
            "hunter2\u{fffd}:1",
            "/hunter2",
            "http:/hunter2:3128",
            "http:///hunter2",
            "://hunter2",
        ] {
            let errors = read(&[("http_proxy", value)]).expect_err(value);
            assert_eq!(errors, [format!("http_proxy: {EXPECTED}")], "{value}");
        }
        let wrong = ("HTTP_PROXY", "http://");
        let errors = read(&[wrong, ("HTTPS_PROXY", "x:y:z"), ("ALL_PROXY", "ftp://a")]).unwrap_err();
        assert_eq!(errors.len(), 3, "{errors:?}");
    }
}
