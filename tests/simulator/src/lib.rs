//! A Cloud Assistant of our own.
