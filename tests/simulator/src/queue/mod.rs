//! Queues of Simple Message Queue: messages that are hidden while somebody works on them, and come back.

pub(crate) mod http;
mod xml;

use std::collections::VecDeque;

use crate::Cloud;

/// A message's body at most.
pub(crate) const LONGEST_MESSAGE: usize = 64 << 10;
/// Messages in one request at most.
pub(crate) const BATCH: usize = 16;

/// A queue.
#[derive(Debug)]
pub struct Queue {
    /// How long a received message is hidden, in milliseconds.
    pub visibility_timeout: i64,
    /// How long a request without `waitseconds` waits, in seconds.
    pub polling_wait: u64,
    /// Requests that may wait at the same time; above that an empty queue answers at once.
    pub long_polls: usize,
    /// Whether an empty queue answers at once, whatever is asked.
    pub answers_at_once: bool,
    /// The code by which it refuses each message of a batch that is to be deleted, if it does.
    pub undeletable: Option<String>,
    /// Messages that have been deleted.
    pub deleted: u64,
    pub(crate) waiting: usize,
    messages: VecDeque<Message>,
    sent: u64,
}

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) enqueued: i64,
    pub(crate) visible_from: i64,
    pub(crate) first_dequeued: Option<i64>,
    pub(crate) dequeued: u64,
    number: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            visibility_timeout: 30_000,
            polling_wait: 0,
            long_polls: usize::MAX,
            answers_at_once: false,
            undeletable: None,
            deleted: 0,
            waiting: 0,
            messages: VecDeque::new(),
            sent: 0,
        }
    }
}

impl Message {
    /// What it is deleted by, as long as it is hidden.
    pub(crate) fn receipt(&self) -> String {
        format!(
            "1-ODU4OTkzNDU5My0xNDMyNzI3ODI3LTItOA==-{}-{}",
            self.number, self.dequeued
        )
    }
}

impl Queue {
    /// Messages that are there, hidden or not.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Puts a message in.
    pub fn put(&mut self, body: impl Into<String>, now: i64) -> String {
        self.sent += 1;
        let id = format!("5F290C926D472878-2-14D9529A8FA-{:09}", self.sent);
        self.messages.push_back(Message {
            id: id.clone(),
            body: body.into(),
            enqueued: now,
            visible_from: now,
            first_dequeued: None,
            dequeued: 0,
            number: self.sent,
        });
        id
    }

    /// Takes up to so many, which are hidden from then on.
    pub(crate) fn receive(&mut self, most: usize, now: i64, peek: bool) -> Vec<Message> {
        let visible = self
            .messages
            .iter_mut()
            .filter(|message| message.visible_from <= now);
        visible
            .take(most)
            .map(|message| {
                if !peek {
                    message.dequeued += 1;
                    message.first_dequeued.get_or_insert(now);
                    message.visible_from = now + self.visibility_timeout;
                }
                message.clone()
            })
            .collect()
    }

    /// Deletes a message by what it was received with; whether that was still good.
    pub(crate) fn delete(&mut self, receipt: &str, now: i64) -> bool {
        let found = self
            .messages
            .iter()
            .position(|message| message.visible_from > now && message.receipt() == receipt);
        if let Some(place) = found {
            self.messages.remove(place);
            self.deleted += 1;
        }
        found.is_some()
    }

    /// When a hidden message comes back, in milliseconds.
    pub(crate) fn next_visible(&self) -> Option<i64> {
        self.messages.iter().map(|message| message.visible_from).min()
    }
}

impl Cloud {
    /// A queue of an account, which exists from its first use on.
    pub fn queue(&mut self, account: &str, name: &str) -> &mut Queue {
        self.queues
            .entry((account.to_owned(), name.to_owned()))
            .or_default()
    }

    /// A queue, if there is one.
    pub fn find_queue(&self, account: &str, name: &str) -> Option<&Queue> {
        self.queues.get(&(account.to_owned(), name.to_owned()))
    }

    /// Takes a queue away with all that is in it.
    pub fn remove_queue(&mut self, account: &str, name: &str) {
        self.queues.remove(&(account.to_owned(), name.to_owned()));
    }

    /// Puts a message into a queue that is there; else it is lost.
    pub(crate) fn put_message(&mut self, account: &str, name: &str, body: String) {
        if let Some(queue) = self.queues.get_mut(&(account.to_owned(), name.to_owned())) {
            queue.put(body, now_milliseconds());
        }
    }
}

/// The real time: visibility is a matter of seconds.
pub(crate) fn now_milliseconds() -> i64 {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| {
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_hidden_and_comes_back_unless_deleted() {
        let mut queue = Queue::default();
        queue.put("one", 0);
        queue.put("two", 0);
        let received = queue.receive(16, 10, false);
        assert_eq!(received.len(), 2);
        assert!(queue.receive(16, 20, false).is_empty());
        assert_eq!(queue.next_visible(), Some(30_010));
        assert!(queue.delete(&received[0].receipt(), 20));
        assert!(!queue.delete(&received[0].receipt(), 20));
        assert!(!queue.delete(&received[1].receipt(), 30_010), "its time is over");
        let again = queue.receive(1, 30_010, false);
        assert_eq!((again[0].body.as_str(), again[0].dequeued), ("two", 2));
        assert!(
            !queue.delete(&received[1].receipt(), 30_020),
            "the receipt is the old one"
        );
        assert!(queue.delete(&again[0].receipt(), 30_020));
        assert_eq!((queue.len(), queue.deleted), (0, 2));
    }
}
