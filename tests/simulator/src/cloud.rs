//! The cloud: accounts with their keys and permissions, and regions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::{Clock, utc};
use crate::keys::KnownKey;
use crate::{CredentialsUri, Emission, Metadata, Queue, Region, Role, Truth};

/// Changes a cloud as time goes on.
pub trait Driver: Send + std::fmt::Debug {
    /// It is `now`: do what is due.
    fn tick(&mut self, cloud: &mut Cloud, now: i64);

    /// Brings the trouble of this name to a region, where it stays until another is told.
    ///
    /// # Errors
    /// When there is no such trouble, or no such region.
    fn trouble(&mut self, account: &str, region: &str, name: &str) -> Result<(), String> {
        Err(format!("nothing brings {name} to {account} in {region}"))
    }
}

/// Accounts, regions and what runs in them.
#[derive(Debug)]
pub struct Cloud {
    /// The host that DescribeRegions names for a region; `{region_id}` in it stands for the region.
    pub region_endpoint: String,
    /// What DescribeRegions lists. Unless it is set: the regions that the account uses.
    pub listed_regions: Option<Vec<String>>,
    /// How long temporary keys live, in seconds, whatever was asked for.
    pub temporary_key_lifetime: Option<i64>,
    /// The metadata service of the instance that the exporter runs on.
    pub metadata: Metadata,
    pub(crate) clock: Clock,
    pub(crate) keys: HashMap<String, KnownKey>,
    pub(crate) accounts: BTreeMap<String, usize>,
    pub(crate) keys_issued: u64,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) credentials_uris: BTreeMap<String, CredentialsUri>,
    pub(crate) emission: Option<Emission>,
    pub(crate) account_ids: BTreeMap<String, String>,
    pub(crate) queues: BTreeMap<(String, String), Queue>,
    regions: BTreeMap<(String, String), Region>,
    denied: BTreeSet<(String, String, Option<String>)>,
    unsupported: BTreeSet<String>,
    driver: Option<Box<dyn Driver>>,
    paused: bool,
}

impl Cloud {
    /// A cloud without accounts.
    pub fn new(clock: Clock) -> Self {
        Self {
            region_endpoint: "ecs.{region_id}.aliyuncs.com".to_owned(),
            listed_regions: None,
            temporary_key_lifetime: None,
            metadata: Metadata::default(),
            clock,
            keys: HashMap::new(),
            accounts: BTreeMap::new(),
            keys_issued: 0,
            roles: BTreeMap::new(),
            credentials_uris: BTreeMap::new(),
            emission: None,
            account_ids: BTreeMap::new(),
            queues: BTreeMap::new(),
            regions: BTreeMap::new(),
            denied: BTreeSet::new(),
            unsupported: BTreeSet::new(),
            driver: None,
            paused: false,
        }
    }

    /// Unix seconds of the cloud's clock.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The cloud's time as the API writes it.
    pub fn now_text(&self) -> String {
        utc(self.now())
    }

    /// The names of the accounts.
    pub fn accounts(&self) -> Vec<String> {
        self.accounts.keys().cloned().collect()
    }

    /// One account in one region, which exists from its first use on.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn region(&mut self, account: &str, region: &str) -> &mut Region {
        let held = self.region_asked(account, region);
        held.used = true;
        held
    }

    /// The same for whoever only asks, which does not make it one that is used.
    pub(crate) fn region_asked(&mut self, account: &str, region: &str) -> &mut Region {
        let Some(number) = self.accounts.get(account) else {
            panic!("there is no account {account}")
        };
        let (count, clock) = (self.regions.len() + 1, self.clock);
        let emits = self.emission.is_some();
        let held = self
            .regions
            .entry((account.to_owned(), region.to_owned()))
            .or_insert_with(|| {
                let mut new = Region::new(account, region, format!("sim{number:x}{count:02x}"), clock);
                new.emitted = emits.then(Vec::new);
                new
            });
        held.clock = clock;
        held.now = clock.now();
        held
    }

    /// One account in one region, if it is used.
    pub fn find_region(&self, account: &str, region: &str) -> Option<&Region> {
        let held = self.regions.get(&(account.to_owned(), region.to_owned()));
        held.filter(|region| region.used)
    }

    pub(crate) fn regions_mut(&mut self) -> impl Iterator<Item = &mut Region> {
        self.regions.values_mut()
    }

    /// (account, region) of all that are used.
    pub fn scopes(&self) -> Vec<(String, String)> {
        let used = self.regions.iter().filter(|(_, region)| region.used);
        used.map(|(scope, _)| scope.clone()).collect()
    }

    /// What was really run.
    pub fn truth(&self, account: &str, region: &str) -> Truth {
        self.find_region(account, region)
            .map(Region::truth)
            .unwrap_or_default()
    }

    /// What was really run, and settled after the baseline was marked.
    pub fn truth_since_baseline(&self, account: &str, region: &str) -> Truth {
        self.find_region(account, region)
            .map(Region::truth_since_baseline)
            .unwrap_or_default()
    }

    /// Marks the baseline of every region.
    pub fn mark_baseline(&mut self) {
        for region in self.regions.values_mut() {
            region.mark_baseline();
        }
    }

    /// Moves a manual clock on, and does what is due by then.
    ///
    /// # Panics
    /// If the clock moves by itself.
    pub fn advance(&mut self, seconds: i64) {
        let Clock::Manual(now) = &mut self.clock else {
            panic!("this clock moves by itself")
        };
        *now += seconds;
        let now = *now;
        self.tick(now);
    }

    /// Does what is due at `now`: what was planned, and what the driver wants.
    pub fn tick(&mut self, now: i64) {
        for region in self.regions.values_mut() {
            region.clock = self.clock;
            region.tick(now);
            region.enforce_retention();
        }
        if let Some(mut driver) = self.driver.take() {
            driver.tick(self, now);
            self.driver = Some(driver);
        }
    }

    /// Puts a cloud into the hands of a driver, from the next tick on.
    pub fn drive(&mut self, driver: impl Driver + 'static) {
        self.driver = Some(Box::new(driver));
    }

    /// Asks the driver for trouble: see [`Driver::trouble`].
    pub(crate) fn trouble(&mut self, account: &str, region: &str, name: &str) -> Result<(), String> {
        let driver = self.driver.as_mut().ok_or("nothing drives this cloud")?;
        driver.trouble(account, region, name)
    }

    /// Stops a clock that moves by itself from changing anything, or lets it again.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Ticks if time passes by itself.
    pub(crate) fn tick_by_itself(&mut self) {
        if self.clock.runs_by_itself() && !self.paused {
            self.tick(self.now());
        }
    }

    /// Refuses an action to an account, in one region or in all.
    pub fn deny(&mut self, account: &str, action: &str, region: Option<&str>) {
        self.denied
            .insert((account.to_owned(), action.to_owned(), region.map(str::to_owned)));
    }

    /// Takes back what [`Cloud::deny`] did.
    pub fn allow(&mut self, account: &str, action: &str, region: Option<&str>) {
        self.denied
            .remove(&(account.to_owned(), action.to_owned(), region.map(str::to_owned)));
    }

    pub(crate) fn is_denied(&self, account: &str, action: &str, region: &str) -> bool {
        let key = |region: Option<&str>| (account.to_owned(), action.to_owned(), region.map(str::to_owned));
        self.denied.contains(&key(None)) || self.denied.contains(&key(Some(region)))
    }

    /// A region in which Cloud Assistant does not exist.
    pub fn unsupported_region(&mut self, region: &str) {
        self.unsupported.insert(region.to_owned());
    }

    /// Takes back what [`Cloud::unsupported_region`] did.
    pub fn supported_region(&mut self, region: &str) {
        self.unsupported.remove(region);
    }

    pub(crate) fn is_unsupported(&self, region: &str) -> bool {
        self.unsupported.contains(region)
    }

    /// Whether there is such a region, used or not.
    pub(crate) fn knows_region(&self, region: &str) -> bool {
        crate::regions::ALL.contains(&region)
            || self.regions.keys().any(|(_, used)| used == region)
            || self
                .listed_regions
                .iter()
                .flatten()
                .any(|listed| listed == region)
    }

    /// What DescribeRegions lists for an account.
    pub(crate) fn regions_of(&self, account: &str) -> Vec<String> {
        self.listed_regions.clone().unwrap_or_else(|| {
            let scopes = self.scopes().into_iter();
            scopes
                .filter(|(owner, _)| owner == account)
                .map(|(_, region)| region)
                .collect()
        })
    }
}
