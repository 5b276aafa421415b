//! Rule 6: the cheapest way to look again at what is open and was not on the pages just read.

use crate::result::Identity;

/// Rows on a page; MaxResults of every request.
pub(super) const PAGE: usize = 50;

/// The open results of one invocation that the pages did not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenInvocation {
    /// The invocation.
    pub invoke_id: Box<str>,
    /// Each open result, and its instance.
    pub open: Vec<(Identity, Box<str>)>,
    /// How many rows an answer about it has at least: its open results, those that the pages showed too.
    pub rows: usize,
    /// The place in the list of the one that has sunk deepest, where that is known of all.
    pub deepest: Option<usize>,
    /// Whether it is a schedule, which stays Running until it is ended.
    pub is_schedule: bool,
}

/// What to do about what is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// Nothing is.
    Nothing,
    /// Read so many pages more: they are not far down.
    ReadOn(usize),
    /// List what is Running, as long as that takes at most so many pages, and ask only for what is not in it.
    Running(usize),
    /// Ask for each invocation.
    Ask,
}

/// Chooses what takes fewest requests, when `pages` have been read already.
///
/// Asking costs a request an invocation, or more where many of its instances are open. Listing what is Running
/// costs its pages and a question for each invocation that has ended since; half of the one-time ones are taken to
/// have, and no schedule. Of equally cheap ways the surest is taken: asking, then listing.
pub(super) fn follow(pages: usize, open: &[OpenInvocation]) -> Follow {
    if open.is_empty() {
        return Follow::Nothing;
    }
    let ask: usize = open.iter().map(OpenInvocation::questions).sum();
    let one_time = open.iter().filter(|invocation| !invocation.is_schedule).count();
    let running_pages = open
        .iter()
        .map(|invocation| invocation.rows)
        .sum::<usize>()
        .div_ceil(PAGE);
    let running = running_pages + one_time.div_ceil(2);
    let deepest: Option<Vec<usize>> = open.iter().map(|invocation| invocation.deepest).collect();
    let read_on = deepest
        .and_then(|places| places.into_iter().max())
        .map(|place| (place / PAGE + 1).saturating_sub(pages).max(1));
    match read_on {
        Some(pages) if pages < ask && pages < running => Follow::ReadOn(pages),
        _ if running < ask => Follow::Running(ask - 1),
        _ => Follow::Ask,
    }
}

impl OpenInvocation {
    /// How many requests it takes to ask for it; a single instance is asked for by its id.
    fn questions(&self) -> usize {
        if self.open.len() == 1 {
            1
        } else {
            self.rows.div_ceil(PAGE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(open: usize, deepest: Option<usize>, is_schedule: bool) -> OpenInvocation {
        let open: Vec<(Identity, Box<str>)> =
            (0..open).map(|n| (Identity([n as u32; 4]), "i".into())).collect();
        OpenInvocation {
            invoke_id: "t".into(),
            rows: open.len(),
            open,
            deepest,
            is_schedule,
        }
    }

    #[test]
    fn the_cheapest_way() {
        let deep = |count| vec![waiting(1, Some(2000), false); count];
        let table: Vec<(usize, Vec<OpenInvocation>, Follow)> = vec![
            (1, vec![], Follow::Nothing),
            (1, deep(1), Follow::Ask),
            (1, deep(3), Follow::Ask),
            // Four questions, against a page of what is Running and two questions.
            (1, deep(4), Follow::Running(3)),
            // On the second page, all of them.
            (1, vec![waiting(1, Some(60), false); 3], Follow::ReadOn(1)),
            (1, vec![waiting(1, Some(60), false)], Follow::Ask),
            (1, vec![waiting(1, Some(160), false); 3], Follow::Ask),
            // One of unknown depth: reading on may not find it.
            (
                1,
                vec![
                    waiting(1, Some(60), false),
                    waiting(1, None, false),
                    waiting(1, Some(60), false),
                ],
                Follow::Ask,
            ),
            // A wide invocation is two questions' worth.
            (1, vec![waiting(100, None, false)], Follow::Ask),
            (5, vec![waiting(100, Some(240), false)], Follow::ReadOn(1)),
            // Half of it was on the pages, but an answer would have it all: the next page is cheaper.
            (
                1,
                vec![OpenInvocation {
                    rows: 100,
                    ..waiting(50, Some(99), false)
                }],
                Follow::ReadOn(1),
            ),
            // Schedules stay Running: a page shows thirty of them.
            (1, vec![waiting(1, None, true); 30], Follow::Running(29)),
            (1, vec![waiting(1, None, true); 2], Follow::Running(1)),
            (1, vec![waiting(1, None, true)], Follow::Ask),
        ];
        for (pages, waiting, expected) in table {
            assert_eq!(follow(pages, &waiting), expected, "{pages} {waiting:?}");
        }
    }
}
