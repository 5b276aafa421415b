//! What `--version` and `build_info` say of the build.

use std::process::Command;

fn main() {
    // Where there is no repository, or it is elsewhere, naming what is not there would build everything each time.
    for path in [".git/HEAD", ".git/refs/heads", "build.rs"] {
        if std::path::Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    println!("cargo::rerun-if-env-changed=BUILD_REVISION");
    // A packager without a repository says the revision itself.
    let revision = std::env::var("BUILD_REVISION")
        .ok()
        .or_else(|| output("git", &["rev-parse", "HEAD"]));
    println!(
        "cargo::rustc-env=BUILD_REVISION={}",
        revision.as_deref().unwrap_or("unknown")
    );
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = output(&rustc, &["--version"]);
    let version = version.as_deref().and_then(|line| line.split_whitespace().nth(1));
    println!(
        "cargo::rustc-env=BUILD_RUST_VERSION={}",
        version.unwrap_or("unknown")
    );
    println!(
        "cargo::rustc-env=BUILD_TARGET={}",
        std::env::var("TARGET").unwrap_or_default()
    );
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
