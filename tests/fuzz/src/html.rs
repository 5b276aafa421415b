//! A strict reader of the pages' HTML: what it does not know is an error.

const TAGS: [&str; 50] = [
    "a", "b", "body", "button", "caption", "code", "dd", "details", "div", "dl", "dt", "footer", "form", "g",
    "h1", "h2", "h3", "head", "header", "html", "input", "label", "li", "link", "main", "meta", "nav", "ol",
    "option", "p", "path", "progress", "rect", "section", "select", "small", "span", "strong", "style",
    "summary", "svg", "table", "tbody", "td", "th", "thead", "time", "title", "tr", "ul",
];

const VOID: [&str; 6] = ["meta", "link", "input", "rect", "path", "br"];

/// Panics unless every tag is one that the pages use, every attribute is in quotes, none is a handler or leads elsewhere,
/// and every element is closed in its turn.
pub fn check(page: &str) {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let mut open: Vec<&str> = Vec::new();
    while let Some(start) = rest.find('<') {
        assert!(
            !rest[..start].contains('>') || open.last() == Some(&"style"),
            "{}",
            near(rest)
        );
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('/') {
            let end = after.find('>').expect("the end of a tag");
            assert_eq!(open.pop(), Some(&after[..end]), "{}", near(rest));
            rest = &after[end + 1..];
            continue;
        }
        let name = &rest[..rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len())];
        assert!(TAGS.contains(&name), "the tag {name:?} in {}", near(rest));
        rest = &rest[name.len()..];
        let closes = loop {
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break false;
            }
            if let Some(after) = rest.strip_prefix("/>") {
                rest = after;
                break true;
            }
            let after = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{}", near(rest)));
            let end = after.find(|c: char| !(c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit()));
            let (attribute, after) = after.split_at(end.unwrap_or(after.len()));
            assert!(
                !attribute.is_empty() && !attribute.starts_with("on"),
                "{attribute:?} in {}",
                near(rest)
            );
            let Some(value) = after.strip_prefix("=\"") else {
                rest = after;
                continue;
            };
            let end = value.find('"').expect("the end of a value");
            let (value, after) = value.split_at(end);
            assert!(!value.contains(['<', '>']), "{value:?}");
            if matches!(attribute, "href" | "action") {
                // A picture of the page's own, which no text of others is in.
                let begins: &[&str] = match name {
                    "link" => &["data:image/svg+xml,"],
                    _ => &["./", "#", "https://ecs.console.aliyun.com/"],
                };
                assert!(
                    begins.iter().any(|begin| value.starts_with(begin)),
                    "a link to {value:?}"
                );
            }
            rest = &after[1..];
        };
        if !closes && !VOID.contains(&name) {
            open.push(name);
        }
        if name == "style" {
            let end = rest.find("</").expect("the end of the style");
            rest = &rest[end..];
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    let controls =
        |c: char| c.is_control() && c != '\n' && c != '\t' || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!page.contains(controls), "a control character");
}

fn near(rest: &str) -> &str {
    &rest[..rest.floor_char_boundary(200)]
}
