//! A list where an object is documented: `serde` takes one for the other, in the order of the members.

use crate::aliyun::error::{Head, classify};
use crate::aliyun::{invocations, regions, rows};
use crate::result::Identity;

#[test]
fn a_list_is_no_answer() {
    for body in [
        "[]",
        "[[null,[[]]]]",
        r#"["R",{"Region":[]}]"#,
        r#"[{"Regions":{"Region":[]},"Invocations":{"Invocation":[]}}]"#,
        r#"{"Regions":[[]],"Invocations":[[]],"Invocation":[[]]}"#,
        r#"{"Regions":[{"Region":[]}],"Invocations":[{"Invocation":[]}],"Invocation":{"InvocationResults":[[]]}}"#,
    ] {
        assert!(regions::decode(body.as_bytes()).is_err(), "{body}");
        assert!(invocations::decode(body.as_bytes(), true).is_err(), "{body}");
        assert!(rows::decode(body.as_bytes(), None).is_err(), "{body}");
        let refused = classify(
            &Head {
                status: 400,
                ..Head::default()
            },
            body.as_bytes(),
        );
        assert_eq!((refused.code, refused.request_id), (None, None), "{body}");
    }
}

#[test]
fn a_list_is_no_entry() {
    let body = r#"{"Regions":{"Region":[["cn-a","host"],[],{"RegionId":["cn-b"]},{"RegionId":"cn-c","RegionEndpoint":["host"]}]}}"#;
    let found = regions::decode(body.as_bytes()).unwrap();
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [(String::from("cn-c"), String::new())]
    );

    let body = r#"{"Invocations":{"Invocation":[["t-1"],{"InvokeId":"t-2","InvokeInstances":[["i-1"]]},
        {"InvokeId":"t-3","InvokeInstances":{"InvokeInstance":[["i-2"],{"InstanceId":["i-3"]},{"InstanceId":"i-4"}]}}]}}"#;
    let found = invocations::decode(body.as_bytes(), true).unwrap();
    assert_eq!(found.rows, [Identity::of_row("t-3", "i-4", "")]);

    let body = r#"{"Invocation":{"InvocationResults":{"InvocationResult":[["t-1","i-1"],{"InvokeId":["t-2"],"InstanceId":"i"},
        {"InvokeId":"t-3","InstanceId":"i-3","InvocationStatus":["Failed"],"Tags":[[]]}]}}}"#;
    for page in [
        rows::decode(body.as_bytes(), None),
        rows::decode_with_ids(body.as_bytes(), None),
    ] {
        let page = page.unwrap();
        assert_eq!((page.rows.len(), page.skipped), (1, 2));
        assert_eq!(page.rows[0].identity, Identity::of_row("t-3", "i-3", ""));
    }
}
