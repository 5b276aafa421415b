//! Lines on their way to standard error.
//!
//! Whoever logs puts a line here and goes on; one thread writes them. When nobody reads what it writes, the queue is
//! soon full, and further lines are dropped and counted. It is not `tracing-appender`'s, since that is bounded by
//! lines of any length, does not count those that could not be written, and when it ends with a full queue prints to
//! standard output, which may be the same pipe.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus::IntCounter;

/// Some thousand lines: more than come at once, and little memory for a log that nobody reads.
const LONGEST: usize = 1 << 20;

/// Between two tries to write to a pipe that is full and was made not to wait.
const PAUSE: Duration = Duration::from_millis(10);

/// The lines that are not written yet.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    dropped: IntCounter,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// One line has been taken out and is being written.
    is_writing: bool,
    /// Dropped since the log last said so.
    dropped: u64,
}

impl Queue {
    pub(super) fn new(dropped: IntCounter) -> Self {
        Self {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            dropped,
        }
    }

    pub(super) fn dropped(&self) -> IntCounter {
        self.dropped.clone()
    }

    /// Takes a line, or drops it: never waits for it to be written.
    pub(super) fn push(&self, line: Vec<u8>) {
        let mut waiting = self.lock();
        if waiting.bytes + line.len() > LONGEST {
            waiting.dropped += 1;
            self.dropped.inc();
            return;
        }
        waiting.bytes += line.len();
        waiting.lines.push_back(line);
        drop(waiting);
        self.changed.notify_all();
    }

    /// Waits until everything is written, but no longer than this.
    pub(super) fn flush(&self, longest: Duration) {
        // An error is a poisoned lock; there is nothing to wait for then.
        let _ = self.changed.wait_timeout_while(self.lock(), longest, |waiting| {
            waiting.is_writing || !waiting.lines.is_empty()
        });
    }

    /// Writes lines as they come, for as long as the process lives.
    pub(super) fn write_to(&self, mut output: impl Write) {
        loop {
            let line = self.next();
            let written = write(&mut output, &line);
            let mut waiting = self.lock();
            waiting.is_writing = false;
            if written.is_err() {
                waiting.dropped += 1;
                self.dropped.inc();
            }
            let is_read_again = written.is_ok() && waiting.lines.is_empty();
            let dropped = if is_read_again {
                std::mem::take(&mut waiting.dropped)
            } else {
                0
            };
            drop(waiting);
            self.changed.notify_all();
            if dropped > 0 {
                tracing::warn!(
                    dropped,
                    "lines of the log were dropped, for they were not read in time"
                );
            }
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut waiting = self
            .changed
            .wait_while(self.lock(), |waiting| waiting.lines.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let line = waiting.lines.pop_front().unwrap_or_default();
        waiting.bytes -= line.len();
        waiting.is_writing = true;
        line
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Standard error may have been made non-blocking by whoever shares it.
fn write(output: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What one message is written to: a line of the queue when it is complete.
pub(super) struct Line {
    bytes: Vec<u8>,
    queue: Arc<Queue>,
}

impl Line {
    pub(super) fn of(queue: &Arc<Queue>) -> Self {
        Self {
            bytes: Vec::new(),
            queue: Arc::clone(queue),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.queue.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Somebody who reads, or does not.
    struct Output {
        written: Sender<Vec<u8>>,
        may_go_on: Receiver<io::Result<()>>,
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.may_go_on.recv().expect("the test goes on")?;
            // A pipe takes as much as it has room for.
            let length = bytes.len().min(60_000);
            self.written
                .send(bytes[..length].to_vec())
                .expect("the test goes on");
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_reads_is_dropped_and_counted_and_nothing_waits() {
        let queue = Arc::new(Queue::new(super::super::dropped_lines().unwrap()));
        let ((written, lines), (go_on, may_go_on)) = (channel(), channel());
        let writer = Arc::clone(&queue);
        thread::spawn(move || writer.write_to(Output { written, may_go_on }));

        let line = |number: u8| [vec![number; 99_999], vec![b'\n']].concat();
        for number in 0..10 {
            queue.push(line(number));
        }
        queue.flush(Duration::from_millis(1));
        // The bound is for what waits, and the first line is perhaps being written.
        while queue.dropped().get() < 3 {
            queue.push(line(9));
        }

        for _ in 0..5 {
            go_on.send(Err(ErrorKind::WouldBlock.into())).unwrap();
            go_on.send(Ok(())).unwrap();
        }
        go_on.send(Err(ErrorKind::BrokenPipe.into())).unwrap();
        for _ in 0..100 {
            go_on.send(Ok(())).unwrap();
        }
        queue.flush(PATIENCE);
        let read: Vec<u8> = lines.try_iter().flatten().collect();
        assert_eq!(read.len() % 100_000, 60_000, "a line that was cut off has no end");
        let numbers: Vec<u8> = read
            .chunk_by(|one, other| one == other)
            .map(|same| same[0])
            .collect();
        assert_eq!(
            numbers[..9],
            [0, b'\n', 1, b'\n', 2, 3, b'\n', 4, b'\n'],
            "in order"
        );
        assert_eq!(queue.dropped().get(), 4, "that line too");
    }

    #[test]
    fn a_message_is_one_line_however_it_is_written() {
        let queue = Arc::new(Queue::new(super::super::dropped_lines().unwrap()));
        let mut line = Line::of(&queue);
        line.write_all(b"one ").unwrap();
        line.write_all(b"line\n").unwrap();
        assert!(queue.lock().lines.is_empty());
        drop(line);
        drop(Line::of(&queue));
        assert_eq!(queue.lock().lines, [b"one line\n".to_vec()]);
    }
}
