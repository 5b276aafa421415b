//! Databases that will not do are refused at the start, each with its words.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use tempfile::tempdir;

use super::database::{Database, as_server, free_port};
use crate::exporter::{Exporter, eventually, wait_until};

/// What the exporter says of a database at its start.
fn refusal(url: &str) -> String {
    let directory = tempdir().unwrap();
    let config = format!("state: {{postgres: {{url: '{url}'}}}}\n");
    match Exporter::try_start(directory.path(), &config, &[], &[]) {
        Ok(_) => panic!("it has started on {url}"),
        Err((status, log)) => {
            assert_eq!(status.code(), Some(1), "{log}");
            log
        }
    }
}

#[test]
fn each_says_what_to_do() {
    let mut database = Database::start();
    let url = database.url();
    let absent = url.replace("/exporter?", "/nowhere?");
    assert!(
        refusal(&absent).contains("make that database"),
        "{}",
        refusal(&absent)
    );

    database.sql("alter role exporter set synchronous_commit = off");
    let said = refusal(&url);
    assert!(said.contains("synchronous_commit is off"), "{said}");
    database.sql("alter role exporter reset synchronous_commit");

    database.sql("alter role exporter set default_transaction_read_only = on");
    let said = refusal(&url);
    assert!(said.contains("read-only for this user"), "{said}");
    database.sql("alter role exporter reset default_transaction_read_only");

    database.sql("create role stranger login");
    let stranger = url.replace("exporter@", "stranger@");
    let said = refusal(&stranger);
    assert!(said.contains("may not make the tables"), "{said}");

    database.ask(
        "create schema cloud_assistant_exporter authorization exporter; set role exporter; \
         create table cloud_assistant_exporter.format (version bigint); \
         insert into cloud_assistant_exporter.format values (99)",
    );
    let said = refusal(&url);
    assert!(said.contains("has format 99, which is newer"), "{said}");
    let said = refusal(&stranger);
    assert!(said.contains("lacks a right"), "{said}");

    database.end("INT");
    fs::write(database.data().join("standby.signal"), "").unwrap();
    database.run();
    let said = refusal(&url);
    assert!(said.contains("a standby that cannot be written to"), "{said}");
}

/// A pooler that gives sessions away, as RDS and many others have one before their databases.
struct PgBouncer(Child);

impl PgBouncer {
    fn start(database: &Database, mode: &str, port: u16) -> Self {
        let path = database.directory().join("pgbouncer.ini");
        let config = format!(
            "[databases]\nexporter = host=127.0.0.1 port={} dbname=exporter user=exporter\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
             ignore_startup_parameters = extra_float_digits\n",
            database.port()
        );
        fs::write(&path, config).unwrap();
        let child = as_server("pgbouncer")
            .arg(Path::new(&path))
            .stdout(Stdio::null())
            .stderr(fs::File::create(database.directory().join("pooler")).unwrap())
            .spawn()
            .unwrap();
        wait_until("PgBouncer answers", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self(child)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_pooler_that_gives_sessions_away_is_refused() {
    let database = Database::start();
    let port = free_port();
    let url = database
        .url()
        .replace(&database.port().to_string(), &port.to_string());
    let _pooler = PgBouncer::start(&database, "transaction", port);
    let said = refusal(&url);
    assert!(said.contains("leads to a pooler"), "{said}");
}

/// One that is not there at the start is not told from a database before it answers.
#[test]
fn a_pooler_that_answers_later_is_not_led_through() {
    let database = Database::start();
    let port = free_port();
    let url = database.url_through(port);
    let directory = tempdir().unwrap();
    let config = format!("state: {{postgres: {{url: '{url}'}}}}\n");
    let exporter = Exporter::start(directory.path(), &config);
    exporter.logged("does not answer");
    let _pooler = PgBouncer::start(&database, "transaction", port);
    exporter.logged("leads to a pooler");
    // Nor at a later try, when the pooler has sessions in store.
    let logins = || {
        fs::read_to_string(database.directory().join("pooler"))
            .unwrap()
            .matches("login attempt")
            .count()
    };
    wait_until("it is tried again and again", || logins() >= 10);
    assert_eq!(exporter.get("/-/ready").status, 503);
    assert_eq!(exporter.get("/-/leader").status, 503);
}

/// The file is read at each connection: what is in it by then may be another URL.
#[test]
fn a_pooler_that_comes_into_the_file_of_the_url_is_not_led_through() {
    let database = Database::start();
    let port = free_port();
    let directory = tempdir().unwrap();
    let file = directory.path().join("url");
    fs::write(&file, database.url()).unwrap();
    let config = format!(
        "accounts: [{{name: a, regions: [r], endpoint: 'http://127.0.0.1:1'}}]\nstate: {{postgres: {{url_file: '{}'}}}}\n",
        file.display()
    );
    let exporter = Exporter::start(directory.path(), &config);
    let leads = || exporter.get("/-/leader").status == 200;
    wait_until("it leads", leads);
    let _pooler = PgBouncer::start(&database, "transaction", port);
    fs::write(&file, database.url_through(port)).unwrap();
    database.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'exporter'");
    exporter.logged("leads to a pooler");
    assert_eq!(exporter.get("/-/ready").status, 503);
    fs::write(&file, database.url()).unwrap();
    wait_until("it leads again", leads);
}

#[test]
fn a_schema_of_its_own_in_the_database_of_another_will_do() {
    let database = Database::start();
    database.sql("alter database exporter owner to postgres");
    database.ask("create schema cloud_assistant_exporter authorization exporter");
    let directory = tempdir().unwrap();
    let config = format!(
        "accounts: [{{name: a, regions: [r], endpoint: 'http://127.0.0.1:1'}}]\nstate: {{postgres: {{url: '{}'}}}}\n",
        database.url()
    );
    let exporter = Exporter::start(directory.path(), &config);
    eventually("it leads", || {
        (exporter.get("/-/leader").status == 200).then_some(())
    });
}
