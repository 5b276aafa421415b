//! How a test describes a command before it runs.

use crate::instances::Instances;
use crate::invocation::{Invocation, InvokeId, RepeatMode, Row};
use crate::{Delivery, InvocationStatus, Region};

/// A command that is about to be sent. Nothing happens before [`Command::run`].
#[derive(Debug)]
#[must_use = "nothing happens before run()"]
pub struct Command<'a> {
    region: &'a mut Region,
    invocation: Invocation,
    listed_from: i64,
    output_bytes: usize,
}

impl<'a> Command<'a> {
    pub(crate) fn new(region: &'a mut Region, name: &str) -> Self {
        let now = region.now();
        let invocation = Invocation {
            invoke_id: InvokeId(String::new()),
            command_id: region.command_id(name),
            command_name: name.to_owned(),
            command_description: String::new(),
            command_type: "RunShellScript".to_owned(),
            command_content: format!("#!/bin/sh\nexec {name}\n"),
            parameters: "{}".to_owned(),
            creation_time: now,
            repeat_mode: RepeatMode::Once,
            frequency: String::new(),
            timeout: 60,
            working_dir: "/root".to_owned(),
            username: "root".to_owned(),
            launcher: String::new(),
            termination_mode: "Process".to_owned(),
            oss_output_delivery: None,
            resource_group_id: None,
            tags: Vec::new(),
            record_status: None,
            rows: Vec::new(),
            ended: false,
        };
        Self {
            region,
            invocation,
            listed_from: i64::MIN,
            output_bytes: 24,
        }
    }

    /// On these instances, besides those already named.
    pub fn on(mut self, instances: impl Instances) -> Self {
        let created = self.invocation.creation_time;
        let ids = instances.ids(&|number| self.region.instance_id(number));
        self.invocation
            .rows
            .extend(ids.into_iter().map(|id| Row::pending(id, created)));
        self
    }

    /// In a container of the instance named last, whose other containers may be named so too.
    ///
    /// # Panics
    /// If no instance has been named.
    pub fn in_container(mut self, id: &str, name: &str) -> Self {
        let Some(last) = self.invocation.rows.last_mut() else {
            panic!("name an instance first")
        };
        if last.container_id.is_empty() {
            (last.container_id, last.container_name) = (id.to_owned(), name.to_owned());
        } else {
            let mut next = last.clone();
            (next.container_id, next.container_name) = (id.to_owned(), name.to_owned());
            self.invocation.rows.push(next);
        }
        self
    }

    /// As RunCommand sends it: with a CommandId of its own.
    pub fn ad_hoc(mut self) -> Self {
        self.invocation.command_id = self.region.new_command_id();
        self
    }

    /// With this time limit in seconds.
    pub fn timeout(mut self, seconds: i64) -> Self {
        self.invocation.timeout = seconds;
        self
    }

    /// With a tag.
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.invocation.tags.push((key.to_owned(), value.to_owned()));
        self
    }

    /// In a resource group.
    pub fn resource_group(mut self, id: &str) -> Self {
        self.invocation.resource_group_id = Some(id.to_owned());
        self
    }

    /// As this user of the operating system.
    pub fn username(mut self, name: &str) -> Self {
        name.clone_into(&mut self.invocation.username);
        self
    }

    /// With a launcher line.
    pub fn launcher(mut self, line: &str) -> Self {
        line.clone_into(&mut self.invocation.launcher);
        self
    }

    /// Process or ProcessTree.
    pub fn termination_mode(mut self, mode: &str) -> Self {
        mode.clone_into(&mut self.invocation.termination_mode);
        self
    }

    /// RunShellScript, RunBatScript or RunPowerShellScript.
    pub fn command_type(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.invocation.command_type);
        self
    }

    /// Delivers the output to `oss://bucket/prefix`.
    pub fn deliver_to(mut self, uri: &str) -> Self {
        self.invocation.oss_output_delivery = Some(uri.to_owned());
        self
    }

    /// With so much output on each instance.
    pub fn output_bytes(mut self, bytes: usize) -> Self {
        self.output_bytes = bytes;
        self
    }

    /// As if it had been sent at this time.
    pub fn created_at(mut self, seconds: i64) -> Self {
        self.invocation.creation_time = seconds;
        self
    }

    /// Not in the list before this time.
    pub fn listed_from(mut self, seconds: i64) -> Self {
        self.listed_from = seconds;
        self
    }

    /// By a Frequency: `rate(5m)`, `at(2026-01-02 03:04:05)` or a cron expression.
    pub fn every(mut self, frequency: &str) -> Self {
        self.invocation.repeat_mode = RepeatMode::Period;
        frequency.clone_into(&mut self.invocation.frequency);
        self
    }

    /// At each start of the instance.
    pub fn on_every_reboot(mut self) -> Self {
        self.invocation.repeat_mode = RepeatMode::EveryReboot;
        self
    }

    /// Sends it: Pending on each instance, or Scheduled where it is a schedule.
    ///
    /// # Panics
    /// If no instance has been named.
    pub fn run(mut self) -> InvokeId {
        assert!(
            !self.invocation.rows.is_empty(),
            "a command runs on one instance at least"
        );
        let scheduled = self.invocation.is_scheduled();
        let delivers = self.invocation.oss_output_delivery.is_some();
        for row in &mut self.invocation.rows {
            row.listed_from = self.listed_from;
            row.output_bytes = self.output_bytes;
            row.update_time = self.invocation.creation_time;
            if scheduled {
                row.status = InvocationStatus::Scheduled;
            }
            if delivers {
                row.delivery = Some(Delivery::InProgress);
            }
        }
        self.region.add(self.invocation)
    }
}
