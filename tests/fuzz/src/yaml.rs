//! YAML of known keys with good and odd values, in which secrets stand where secrets may.

use arbitrary::{Result, Unstructured};

/// Stands in every secret that is made here: no message may hold it.
pub const SECRET: &str = "hunter2";

/// What a key may have behind it.
#[derive(Clone, Copy)]
pub enum Kind {
    /// One of these, as it is written.
    Of(&'static [&'static str]),
    /// A text that holds [`SECRET`].
    Secret(&'static [&'static str]),
    /// A list.
    List(&'static Kind),
    /// Keys, each with its kind.
    Keys(&'static [(&'static str, Kind)]),
}

/// What is written where something else is expected.
const ODD: [&str; 20] = [
    "",
    "null",
    "~",
    "true",
    "0",
    "-1",
    "1e99",
    "99999999999999999999",
    "0x1f",
    "\"\"",
    "[]",
    "{}",
    "[a, b]",
    "{a: b}",
    "a b",
    "\"a\\nb\\u2028c\\u0000\"",
    "é",
    "60",
    "[[[]]]",
    "|\n        a\n        b",
];

/// A document of this kind, in block style.
pub fn document(choices: &mut Unstructured<'_>, kind: Kind) -> Result<String> {
    let mut text = String::new();
    write(choices, kind, 0, &mut text)?;
    Ok(text)
}

/// Writes what stands behind a key or a dash, with the line feed at its end.
fn write(choices: &mut Unstructured<'_>, kind: Kind, depth: usize, text: &mut String) -> Result<()> {
    let indent = "  ".repeat(depth);
    if choices.ratio(1_u8, 24)? && depth > 0 {
        *text += &format!(" {}\n", choices.choose(&ODD)?);
        return Ok(());
    }
    match kind {
        Kind::Of(values) => *text += &format!(" {}\n", choices.choose(values)?),
        Kind::Secret(values) => match choices.int_in_range(0..=15)? {
            0 => *text += &format!(" [{SECRET}]\n"),
            1 => *text += &format!(" {{value: {SECRET}}}\n"),
            2 => *text += &format!(" \"{SECRET}\\u0000\\n\"\n"),
            3 => *text += &format!(" ${{{SECRET}}}\n"),
            _ => *text += &format!(" {}\n", choices.choose(values)?),
        },
        Kind::List(of) => {
            let most = choices.int_in_range(0..=3)?;
            if most == 0 {
                *text += " []\n";
                return Ok(());
            }
            *text += "\n";
            for _ in 0..most {
                *text += &format!("{indent}-");
                write(choices, *of, depth + 1, text)?;
            }
        }
        Kind::Keys(keys) => {
            if depth > 0 {
                *text += "\n";
            }
            let mut used = Vec::new();
            for _ in 0..choices.int_in_range(0..=keys.len())? {
                let place = choices.choose_index(keys.len())?;
                if used.contains(&place) && !choices.ratio(1_u8, 32)? {
                    continue;
                }
                used.push(place);
                let (name, kind) = keys[place];
                let name = match choices.ratio(1_u8, 40)? {
                    true => name.strip_prefix(|_: char| true).unwrap_or(name),
                    false => name,
                };
                *text += &format!("{indent}{name}:");
                write(choices, kind, depth + 1, text)?;
            }
            if used.is_empty() && depth > 0 {
                text.pop();
                *text += " {}\n";
            }
        }
    }
    Ok(())
}

/// Puts a mark of YAML somewhere, or takes a character away.
pub fn damage(choices: &mut Unstructured<'_>, text: &mut String) -> Result<()> {
    let place = text.floor_char_boundary(choices.int_in_range(0..=text.len())?);
    if choices.ratio(1_u8, 2)? {
        let mark = *choices.choose(&[
            "\"", "'", "{", "}", "[", "]", ":", ": ", "- ", "#", "&a ", "*a", "!t ", "|", ">", "\t", "\n",
            "---\n", "%", "@", "<<: *a\n", "? ",
        ])?;
        text.insert_str(place, mark);
    } else if place < text.len() {
        text.remove(place);
    }
    Ok(())
}
