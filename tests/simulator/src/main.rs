//! The simulator on its own: for a demo, for tests that kill the exporter, and for the official SDK.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use simulator::{Clock, Cloud, Simulator, scenario};

const HELP: &str = "\
A Cloud Assistant of our own, with an account and what runs in it.

  --listen ADDRESS   where it answers (127.0.0.1:0: a free port, which is printed)
  --scenario NAME    fleet (a fleet that lives), sdk, credentials (what the SDK's tests know) or
                     empty (fleet)
  --speed N          how many seconds of the fleet pass in a real one (10)
  --seed N           another seed is another fleet (1)
  --paused           nothing happens before POST /simulator/resume
  --until-eof        ends when standard input does

Unsigned, for scripts: GET /simulator/ with truth, settled, requests, misbehaviour, errors, and
POST /simulator/ with baseline, pause, resume, advance, tick, run, settle, add-settled, trouble,
misbehave, behave, fault, clear-faults, forget-requests.
";

fn main() -> ExitCode {
    match Options::read(std::env::args().skip(1)) {
        Ok(None) => finish(io::stdout().write_all(HELP.as_bytes())),
        Ok(Some(options)) => finish(options.run()),
        Err(wrong) => {
            let _ = writeln!(io::stderr(), "{wrong}; see --help");
            ExitCode::from(2)
        }
    }
}

fn finish(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug)]
struct Options {
    listen: SocketAddr,
    scenario: String,
    speed: u32,
    seed: u64,
    paused: bool,
    until_eof: bool,
}

impl Options {
    /// None asks for help.
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            scenario: "fleet".to_owned(),
            speed: 10,
            seed: 1,
            paused: false,
            until_eof: false,
        };
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let mut value = || {
                let given = value.clone().or_else(|| arguments.next());
                given.ok_or_else(|| format!("{name} needs a value"))
            };
            match name.as_str() {
                "--help" => return Ok(None),
                "--paused" => options.paused = true,
                "--until-eof" => options.until_eof = true,
                "--listen" => options.listen = number(&name, &value()?)?,
                "--speed" => options.speed = number(&name, &value()?)?,
                "--seed" => options.seed = number(&name, &value()?)?,
                "--scenario" => options.scenario = value()?,
                _ => return Err(format!("there is no {name}")),
            }
        }
        Ok(Some(options))
    }

    fn run(&self) -> io::Result<()> {
        let clock = Clock::Fast { speed: self.speed };
        let mut cloud = match self.scenario.as_str() {
            "fleet" => scenario::fleet(clock, self.seed),
            "sdk" => scenario::sdk(),
            "credentials" => scenario::credentials(),
            "empty" => {
                let mut cloud = Cloud::new(clock);
                cloud.add_account(
                    "production",
                    simulator::AccessKey::new("production-key", "production-secret"),
                );
                cloud
            }
            other => return Err(io::Error::other(format!("there is no scenario {other}"))),
        };
        cloud.set_paused(self.paused);
        let keys = cloud.lasting_keys();
        let scopes = cloud.scopes();
        let simulator = Simulator::bind(self.listen, cloud)?;
        let mut out = io::stdout().lock();
        writeln!(out, "listening on {}", simulator.url())?;
        for (account, key) in keys {
            let regions: Vec<&str> = scopes
                .iter()
                .filter(|(owner, _)| *owner == account)
                .map(|(_, region)| region.as_str())
                .collect();
            let (id, secret) = (&key.id, &key.secret);
            writeln!(
                out,
                "account {account}: access key {id}, secret {secret}, regions {}",
                regions.join(" ")
            )?;
        }
        out.flush()?;
        drop(out);
        if self.until_eof {
            io::stdin().lock().read_to_end(&mut Vec::new())?;
            return Ok(());
        }
        loop {
            std::thread::park();
        }
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} cannot be {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_in_both_spellings() {
        let read = |text: &str| Options::read(text.split_whitespace().map(str::to_owned));
        let options = read("--listen 127.0.0.1:9 --speed=60 --seed 7 --scenario=sdk --paused")
            .unwrap()
            .unwrap();
        assert_eq!((options.listen.port(), options.speed, options.seed), (9, 60, 7));
        assert!(options.scenario == "sdk" && options.paused && !options.until_eof);
        assert!(read("--help").unwrap().is_none());
        for wrong in ["--speed", "--speed x", "--sped 1", "--listen 9"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
