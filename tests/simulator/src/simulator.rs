//! A running simulator.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::events::deliver::deliver;
use crate::faults::Faults;
use crate::received::Received;
use crate::shared::{Shared, lock};
use crate::{Cloud, http};

/// How often a clock that moves by itself is looked at.
const TICK: Duration = Duration::from_millis(100);

/// A cloud that answers on a port, on a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    cloud: Arc<Mutex<Cloud>>,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts on a free port of this machine.
    ///
    /// # Panics
    /// If there is none.
    pub fn start(cloud: Cloud) -> Self {
        match Self::bind(SocketAddr::from(([127, 0, 0, 1], 0)), cloud) {
            Ok(simulator) => simulator,
            Err(error) => panic!("the simulator cannot start: {error}"),
        }
    }

    /// Starts on an address.
    pub fn bind(address: SocketAddr, cloud: Cloud) -> io::Result<Self> {
        Self::bind_shared(address, Arc::new(Mutex::new(cloud)))
    }

    /// Starts on an address, with a cloud that another simulator had, or has.
    pub fn bind_shared(address: SocketAddr, cloud: Arc<Mutex<Cloud>>) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(Arc::clone(&cloud)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    // Dropped or sent, it is time to stop.
                    _ = stopped => {}
                    never = http::serve(listener, Arc::clone(&served)) => match never {},
                    never = tick(&served) => match never {},
                    never = deliver(&served) => match never {},
                }
            });
            // The connections end with the runtime.
        };
        let thread = std::thread::Builder::new()
            .name("simulator".to_owned())
            .spawn(run)?;
        Ok(Self {
            address,
            cloud,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The cloud. While it is held, no request is answered.
    pub fn cloud(&self) -> MutexGuard<'_, Cloud> {
        lock(&self.cloud)
    }

    /// The cloud, for another simulator to go on with.
    pub fn shared_cloud(&self) -> Arc<Mutex<Cloud>> {
        Arc::clone(&self.cloud)
    }

    /// Every request so far, those without an answer included; of more than 100,000 the last ones.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.requests()
    }

    /// Begins the list of requests anew.
    pub fn forget_requests(&self) {
        self.shared.forget_requests();
    }

    /// Puts a message into a queue, if it is there, and tells whoever waits for one.
    pub fn put_message(&self, account: &str, queue: &str, body: impl Into<String>) {
        self.cloud().put_message(account, queue, body.into());
        self.shared.messages.notify_waiters();
    }

    /// The status of each try to send an event to an HTTP target; 0 where there was no answer.
    pub fn deliveries(&self) -> Vec<u16> {
        self.shared.deliveries()
    }

    /// What goes wrong.
    pub fn faults(&self) -> Faults {
        self.shared.faults.clone()
    }

    /// How many requests have no answer at this moment.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight()
    }

    /// The most there ever were at once.
    pub fn max_in_flight(&self) -> usize {
        self.shared.max_in_flight()
    }

    /// Lets every answer take so long.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.set(|settings| settings.latency = latency);
    }

    /// How far the date of a request may be off; 15 minutes unless it is set.
    pub fn set_date_tolerance(&self, tolerance: Duration) {
        self.shared.set(|settings| settings.date_tolerance = tolerance);
    }

    /// Sets the clock that dates are compared with ahead by so many seconds.
    pub fn set_clock_skew(&self, seconds: i64) {
        self.shared.set(|settings| settings.clock_skew = seconds);
    }

    /// Stops answering: every connection is closed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.end();
    }
}

async fn tick(shared: &Shared) -> std::convert::Infallible {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        shared.cloud().tick_by_itself();
    }
}
