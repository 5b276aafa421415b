//! The ways to the cloud: over the network, or in tests to a model of it.

use std::fmt::Debug;
use std::sync::Arc;

use super::account::{Account, Finder, Shared};
use super::plan::Plan;
use crate::aliyun::ecs::Ecs;
use crate::aliyun::error::CallError;
use crate::aliyun::regions::Regions;
use crate::config::{Config, LoggedResults};
use crate::poll::cloud::Cloud;
use crate::scope::Scope;

/// How the fleet reaches the cloud.
pub(super) trait Ways: Debug + Send + 'static {
    /// What answers a scope's requests.
    type Cloud: Cloud;

    /// The way to one scope.
    fn to(&self, account: &Account, config: &Config, scope: &Scope, plan: &Plan) -> Self::Cloud;

    /// The regions of the account that `finder` is of.
    fn regions(
        &self,
        finder: Arc<Finder>,
    ) -> impl Future<Output = Result<Regions, CallError>> + Send + use<Self>
    where
        Self: Sized;

    /// What accounts are made of.
    fn shared(&self) -> &Shared;
}

impl Ways for Shared {
    type Cloud = Ecs;

    fn to(&self, account: &Account, config: &Config, scope: &Scope, plan: &Plan) -> Ecs {
        let endpoint = plan.endpoint.clone();
        let client = account.client(config, self, &scope.region_id, endpoint);
        Ecs::new(client, &scope.region_id, plan.filter.clone(), plan.selection())
            .with_ids(plan.poll.logged_results == LoggedResults::All)
            .discovered(plan.poll.discovered)
    }

    fn regions(
        &self,
        finder: Arc<Finder>,
    ) -> impl Future<Output = Result<Regions, CallError>> + Send + use<> {
        async move { finder.regions().await }
    }

    fn shared(&self) -> &Shared {
        self
    }
}
