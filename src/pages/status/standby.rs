//! In place of every page, on a replica that does not lead.

use super::STYLE;
use super::html::Html;
use super::show::cut;
use crate::timestamp;
use crate::view::Standby;

/// The page.
pub(in crate::pages) fn page(standby: &Standby, host: &str) -> String {
    let mut html = Html::default();
    html.markup(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>Standby · Cloud Assistant Exporter",
    );
    if !host.is_empty() {
        html.text(format_args!(" on {}", cut(host)));
    }
    html.markup("</title>\n<style>").markup(STYLE).markup(
        "</style></head>\n<body>\n<header><div class=\"title\"><h1>Cloud Assistant Exporter</h1></div></header>\n\
         <main id=\"main\" tabindex=\"-1\">\n<h2>This replica is a standby</h2>\n<p>",
    );
    match &standby.leader {
        Some(led) => {
            // Without a scheme: that of this page, since replicas are set up alike.
            html.markup("<a")
                .attribute("href", format_args!("//{}/", led.by))
                .markup(">")
                .text(&led.by)
                .markup("</a> leads since ")
                .text(timestamp::show(led.since))
                .markup(". It polls, and shows the counts; this one takes over when it ends.");
        }
        None => {
            html.markup("Which replica leads is not known.");
        }
    }
    html.markup("</p>\n");
    if let Some(trouble) = &standby.trouble {
        html.markup("<p role=\"alert\">The database of the record cannot be had: ")
            .text(trouble)
            .markup("</p>\n");
    }
    html.markup("</main>\n</body></html>\n");
    html.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Led;

    #[test]
    fn it_leads_to_the_leader_and_what_others_wrote_is_text() {
        let standby = Standby {
            trouble: Some("<b>gone</b>".to_owned()),
            leader: Some(Led {
                by: "a\"b:10069".to_owned(),
                since: 1_589_187_701,
            }),
        };
        let page = page(&standby, "here");
        assert!(page.contains("href=\"//a&quot;b:10069/\""), "{page}");
        assert!(page.contains("2020-05-11"), "{page}");
        assert!(page.contains("&lt;b&gt;gone"), "{page}");
    }
}
