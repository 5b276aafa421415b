//! Each shape as its sender documents it, and what is none.

use super::*;

fn about(account: &str, region_id: &str) -> About {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    About {
        account: some(account),
        region_id: some(region_id),
    }
}

fn hint(account: &str, region_id: &str) -> Vec<Message> {
    vec![Message::Hint(about(account, region_id))]
}

fn plain(body: &str) -> Vec<Message> {
    read(body.as_bytes(), &About::default())
}

/// As in the documentation of Cloud Assistant.
const CLOUD_EVENT: &str = r#"{"id":"45ef4dewdwe1-7c35-447a-bd93-fab****","source":"acs.ecs","specversion":"1.0",
    "subject":"acs.ecs:cn-hangzhou:123456789098****:215672","time":"2020-11-19T21:04:41+08:00",
    "type":"ecs:CloudAssistant:TaskCompleted","aliyunaccountid":"1234567890123456","aliyunpublishtime":
    "2020-11-19T21:04:42.179PRC","aliyuneventbusname":"default","aliyunregionid":"cn-hangzhou",
    "aliyunpublishaddr":"172.25.XX.XX","data":{"commandId":"c-1","errorCode":"0","exitCode":"0",
    "invocationStatus":"Success","invokeId":"t-1","repeatMode":"Once","repeats":"1"}}"#;

const ALERT: &str = r#"{"alertStatus":"TRIGGERED","source":"SYS_EVENT","eventName":"CloudAssistant:TaskCompleted",
    "product":"ECS","userId":"1234567890123456","timestamp":1704780333642,
    "meta":{"sysEventMeta":{"regionId":"cn-beijing","eventNameEn":"x","level":"INFO"}},"eventRawContent":"{}"}"#;

#[test]
fn every_shape_is_read() {
    let webhook =
        format!(r#"{{"userId":"1234567890123456","batchId":"b","alert":{ALERT},"time":1704780333642}}"#);
    let encoded: String = ALERT
        .bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    let form = format!("severity=INFO&userId=1234567890123456&alert={encoded}&time=1");
    let own = r#"{"product":"ECS","name":"CloudAssistant:TaskCompleted","userId":"1234567890123456",
        "regionId":"cn-beijing","resourceId":"acs:ecs:cn-beijing:1:instance/i-1","content":{"invokeId":"t-1"}}"#;
    for (what, body, expected) in [
        (
            "EventBridge",
            CLOUD_EVENT,
            hint("1234567890123456", "cn-hangzhou"),
        ),
        ("a webhook", &webhook, hint("1234567890123456", "cn-beijing")),
        ("a webhook's form", &form, hint("1234567890123456", "cn-beijing")),
        ("CloudMonitor's own", own, hint("1234567890123456", "cn-beijing")),
        (
            "a number for an account",
            r#"{"name":"CloudAssistant:TaskCompleted","userId":12}"#,
            hint("12", ""),
        ),
        (
            "a rule's own text",
            r#"{"region_id":"cn-hangzhou"}"#,
            hint("", "cn-hangzhou"),
        ),
        (
            "a script's",
            r#" {"account":"production","region_id":"cn-hangzhou"} "#,
            hint("production", "cn-hangzhou"),
        ),
        ("nothing at all", " \r\n", hint("", "")),
    ] {
        assert_eq!(plain(body), expected, "{what}");
    }
    let heartbeat = CLOUD_EVENT.replace("TaskCompleted", "FirstHeartbeat");
    assert_eq!(plain(&heartbeat), [Message::Foreign]);
    let all = plain(&format!("[{CLOUD_EVENT},{heartbeat},{{}}]"));
    let expected = [
        hint("1234567890123456", "cn-hangzhou"),
        vec![Message::Foreign, Message::Unreadable],
    ]
    .concat();
    assert_eq!(all, expected);
}

#[test]
fn what_is_no_event_is_unreadable_and_keeps_nobody_busy() {
    let deep = "[".repeat(100_000);
    let deep_object = format!(
        r#"{{"type":"CloudAssistant:TaskCompleted","data":{}"#,
        r#"{"a":"#.repeat(40_000)
    );
    let many = format!("[{}{{}}]", "{},".repeat(MOST));
    for body in [
        "{",
        "{}",
        "[1]",
        "nothing",
        "a=b",
        "alert=%7B",
        "\u{0}",
        "null",
        "1",
        "\"text\"",
        "[{}",
        "{} {}",
        &deep,
        &deep_object,
        &many,
    ] {
        let shown = &body[..body.len().min(30)];
        assert_eq!(plain(body), [Message::Unreadable], "{shown}");
    }
    assert_eq!(read(&[0xff, 0xfe], &About::default()), [Message::Unreadable]);
    assert_eq!(plain("[]"), [], "no event");
    let odd = r#"{"type":"ecs:CloudAssistant:TaskCompleted","aliyunregionid":{"a":[1]},"aliyunaccountid":[],"data":7}"#;
    assert_eq!(plain(odd), hint("", ""), "what is not a text says nothing");
    let long = format!(
        r#"{{"type":"CloudAssistant:TaskCompleted","regionId":"{}"}}"#,
        "x".repeat(600)
    );
    assert_eq!(plain(&long), hint("", ""));
}

#[test]
fn what_is_odd_costs_neither_its_neighbours_nor_its_event() {
    let good = hint("1234567890123456", "cn-hangzhou").remove(0);
    for odd in ["1", "null", "[]", "\"text\"", "1e999", r#""\ud800""#, "true"] {
        let list = format!("[{CLOUD_EVENT},{odd},{CLOUD_EVENT}]");
        let expected = [good.clone(), good.clone(), Message::Unreadable];
        assert_eq!(plain(&list), expected, "{odd}");
    }
    let of = |more: &str| plain(&CLOUD_EVENT.replacen('{', &format!("{{{more},"), 1));
    for odd in [
        r#""alert":"x""#,
        r#""alert":null"#,
        r#""alert":[]"#,
        r#""alert":{"meta":null}"#,
        r#""alert":{"meta":{"sysEventMeta":7}}"#,
        r#""type":"overwritten""#,
        r#""userId":"\ud800""#,
        r#""regionId":1e999"#,
        r#""\ud800":1"#,
    ] {
        assert_eq!(of(odd), std::slice::from_ref(&good), "{odd}");
    }
    // What an alert says itself stays, whatever is within it.
    let alert = ALERT.replace(r#"{"sysEventMeta""#, r#"null,"x":{"sysEventMeta""#);
    assert_eq!(
        plain(&format!(r#"{{"alert":{alert}}}"#)),
        hint("1234567890123456", "")
    );
}

#[test]
fn the_query_goes_before_the_body() {
    let query = About::of_query(Some("account=my+team%2Fprod&region_id=&x=1&account"));
    assert_eq!(query, about("my team/prod", ""));
    assert_eq!(
        read(CLOUD_EVENT.as_bytes(), &query),
        hint("my team/prod", "cn-hangzhou")
    );
    assert_eq!(read(b"", &query), hint("my team/prod", ""));
    assert_eq!(read(b"a text of a rule", &query), hint("my team/prod", ""));
    let heartbeat = CLOUD_EVENT.replace("TaskCompleted", "FirstHeartbeat");
    assert_eq!(read(heartbeat.as_bytes(), &query), [Message::Foreign]);
}
