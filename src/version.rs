//! What this build is.

/// The version of the package.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from.
pub(crate) const REVISION: &str = env!("BUILD_REVISION");

/// The compiler.
pub(crate) const RUST_VERSION: &str = env!("BUILD_RUST_VERSION");

/// The answer to `--version`, as the official exporters give it.
pub(crate) fn text() -> String {
    format!(
        "cloud-assistant-exporter, version {VERSION} (revision: {REVISION})\n  rust version:     {RUST_VERSION}\n  \
         platform:         {}",
        env!("BUILD_TARGET")
    )
}
