//! `/runbooks/…`: what each alert of `deploy/prometheus` means and what to do, so that an alert can link to it wherever
//! the exporter runs.

macro_rules! runbooks {
    ($($alert:ident)*) => {
        [$((
            concat!("/runbooks/", stringify!($alert), ".md"),
            include_str!(concat!("../../deploy/runbooks/", stringify!($alert), ".md")),
        ),)*]
    };
}

/// The path of each, and its text.
pub(super) const RUNBOOKS: [(&str, &str); 27] = runbooks! {
    CloudAssistantCommandFailing
    CloudAssistantCommandNotSucceeding
    CloudAssistantConfigReloadFailed
    CloudAssistantCredentialsExpiring
    CloudAssistantDatabaseFailing
    CloudAssistantErrorCodeDominant
    CloudAssistantEventsMissing
    CloudAssistantExporterAbsent
    CloudAssistantExporterDown
    CloudAssistantFailureRatioElevated
    CloudAssistantFailureRatioHigh
    CloudAssistantLabelOverflow
    CloudAssistantLeadershipFlapping
    CloudAssistantNoLeader
    CloudAssistantNoResults
    CloudAssistantRegionDiscoveryFailing
    CloudAssistantReplicaDown
    CloudAssistantResultsLost
    CloudAssistantResultsStuckOpen
    CloudAssistantSavesLost
    CloudAssistantScheduleStopped
    CloudAssistantScopeFailing
    CloudAssistantScopeStale
    CloudAssistantStateNotWritable
    CloudAssistantThrottled
    CloudAssistantTimeoutsSurging
    CloudAssistantTwoLeaders
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runbook_is_there() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/runbooks");
        let files = std::fs::read_dir(directory).unwrap();
        let mut files: Vec<String> = files
            .map(|file| format!("/runbooks/{}", file.unwrap().file_name().display()))
            .collect();
        files.sort();
        assert_eq!(RUNBOOKS.map(|(path, _)| path.to_owned()).as_slice(), files);
        assert!(RUNBOOKS.iter().all(|(_, text)| text.contains("## What to do")));
    }
}
