//! The `Accept` and `Accept-Encoding` headers against RFC 9110, section 12.5: headers are made from choices, and what
//! must be answered is told from the choices.

#![no_main]

use arbitrary::{Result, Unstructured};
use cloud_assistant_exporter::expose::Answer;
use cloud_assistant_exporter_fuzz::Input;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Input::read(bytes) {
        Some(Input::Text(text)) => anything(text),
        Some(Input::Choices(mut choices)) => {
            let _ = types(&mut choices).and_then(|()| codings(&mut choices));
        }
        None => {}
    }
});

const OPEN_METRICS: &str = "application/openmetrics-text";

const PROTOBUF: &str = "application/vnd.google.protobuf";

/// Whatever is sent is answered, and what cannot be read is as if it had not been sent.
fn anything(text: &str) {
    let answer = Answer::to(Some(text), Some(text));
    let is_protobuf = answer.content_type().starts_with(PROTOBUF);
    assert!(is_protobuf || answer.content_type().contains("charset=utf-8"));
    // Nobody gets it who has not named it.
    assert!(!is_protobuf || text.to_ascii_lowercase().contains(PROTOBUF));
    if !text.contains('"') {
        let with_unknown = format!("{text}, application/x-unknown;q=1");
        assert_eq!(Answer::to(Some(&with_unknown), Some(&with_unknown)), answer);
    }
}

/// A media range with what makes ours of it.
const RANGES: [(&str, Option<&str>); 12] = [
    (OPEN_METRICS, Some("1.0.0")),
    ("text/plain", Some("0.0.4")),
    ("text/plain", None),
    ("text/*", None),
    ("*/*", None),
    (OPEN_METRICS, Some("0.0.1")),
    ("text/plain", Some("1.0.0")),
    ("text/html", None),
    ("application/json", None),
    (PROTOBUF, None),
    // Its parameters are made where it is written.
    (PROTOBUF, Some("delimited")),
    (PROTOBUF, Some("text")),
];

/// The place of the range that speaks of protobuf as it is served.
const OF_PROTOBUF: usize = 10;

/// Those that speak of the text format, the most specific first.
const OF_TEXT: [usize; 4] = [1, 2, 3, 4];

fn types(choices: &mut Unstructured<'_>) -> Result<()> {
    let mut weights: [Option<u16>; RANGES.len()] = [None; RANGES.len()];
    let mut escaping = [false; RANGES.len()];
    let mut elements = Vec::new();
    for _ in 0..choices.int_in_range(0..=6)? {
        let place = choices.choose_index(RANGES.len())?;
        if weights[place].is_some() {
            continue;
        }
        let (media_type, version) = RANGES[place];
        let mut parameters = Vec::new();
        let is_protobuf = media_type == PROTOBUF;
        if is_protobuf && version.is_some() {
            let proto = any_case(choices, "proto")?;
            parameters.push(format!("{proto}=io.prometheus.client.MetricFamily"));
        }
        if let Some(version) = version {
            let name = if is_protobuf { "encoding" } else { "version" };
            let quote = if choices.ratio(1_u8, 8)? { "\"" } else { "" };
            parameters.push(format!("{}={quote}{version}{quote}", any_case(choices, name)?));
        }
        let of_ours = *choices.choose(&["", "allow-utf-8", "underscores", "dots", "values", "nonsense"])?;
        if !of_ours.is_empty() {
            parameters.push(format!("escaping={of_ours}"));
        }
        escaping[place] = !matches!(of_ours, "" | "nonsense");
        let (weight, written) = weight(choices)?;
        parameters.extend(written);
        weights[place] = Some(weight);
        let space = *choices.choose(&["", " ", "\t"])?;
        let mut element = any_case(choices, media_type)?;
        for parameter in parameters {
            element += &format!("{space};{space}{parameter}");
        }
        elements.push(element);
    }
    let accept = elements.join(*choices.choose(&[",", ", ", " ,\t", ",,"])?);
    let answer = Answer::to(Some(&accept), None);
    let text = OF_TEXT.iter().find(|place| weights[**place].is_some());
    let of_text = text.and_then(|place| weights[*place]).unwrap_or(0);
    let is_open_metrics = answer.content_type().starts_with(OPEN_METRICS);
    let is_protobuf = answer.content_type().starts_with(PROTOBUF);
    let protobuf = weights[OF_PROTOBUF].unwrap_or(0);
    let others = of_text.max(weights[0].unwrap_or(0));
    // Of equal weights the first is answered.
    if protobuf != others || protobuf == 0 {
        assert_eq!(is_protobuf, protobuf > others, "{accept}");
    }
    match weights[0] {
        _ if is_protobuf => {}
        // Not named, and so the one that is left where text is refused by its name.
        None => {
            let is_refused = text.is_some_and(|place| *place != 4) && of_text == 0;
            assert_eq!(is_open_metrics, is_refused, "{accept}");
        }
        Some(open_metrics) if open_metrics != of_text || open_metrics == 0 => {
            assert_eq!(is_open_metrics, open_metrics > of_text, "{accept}");
        }
        Some(_) => {}
    }
    if is_open_metrics || is_protobuf {
        let named = answer.content_type().ends_with("escaping=underscores");
        let place = if is_protobuf { OF_PROTOBUF } else { 0 };
        assert_eq!(named, escaping[place], "{accept}");
    }
    Ok(())
}

fn codings(choices: &mut Unstructured<'_>) -> Result<()> {
    const CODINGS: [&str; 5] = ["gzip", "*", "identity", "deflate", "zstd"];
    let mut weights: [Option<u16>; CODINGS.len()] = [None; CODINGS.len()];
    let mut elements = Vec::new();
    for _ in 0..choices.int_in_range(0..=5)? {
        let place = choices.choose_index(CODINGS.len())?;
        if weights[place].is_some() {
            continue;
        }
        let (weight, written) = weight(choices)?;
        weights[place] = Some(weight);
        let mut element = any_case(choices, CODINGS[place])?;
        if let Some(written) = written {
            element += &format!("{}{written}", choices.choose(&[";", "; ", " ;"])?);
        }
        elements.push(element);
    }
    let accept_encoding = elements.join(*choices.choose(&[",", ", "])?);
    let expected = weights[0].or(weights[1]).is_some_and(|weight| weight > 0);
    let answer = Answer::to(None, Some(&accept_encoding));
    assert_eq!(answer.gzip, expected, "{accept_encoding}");
    Ok(())
}

/// A weight in thousandths, and how it is written; 1 may be left out.
fn weight(choices: &mut Unstructured<'_>) -> Result<(u16, Option<String>)> {
    let weight = match choices.int_in_range(0..=4)? {
        0 => return Ok((1000, None)),
        1 => 0,
        2 => 1000,
        _ => choices.int_in_range(0..=1000)?,
    };
    let mut written = format!("{}.{:03}", weight / 1000, weight % 1000);
    while written.ends_with('0') && choices.ratio(3_u8, 4)? && written.contains('.') {
        written.pop();
    }
    let name = any_case(choices, "q")?;
    Ok((weight, Some(format!("{name}={written}"))))
}

fn any_case(choices: &mut Unstructured<'_>, text: &str) -> Result<String> {
    Ok(match choices.ratio(1_u8, 8)? {
        true => text.to_ascii_uppercase(),
        false => text.to_owned(),
    })
}
