//! The known answers pass, and nothing passes that differs from them anywhere.

use std::collections::HashMap;

use serde_json::Value;

use super::encoding::encode;
use super::*;
use crate::AccessKey;

const MINUTE: i64 = 60;

type Pairs = Vec<(String, String)>;

struct Vector {
    name: String,
    request: Request,
    keys: HashMap<String, KnownKey>,
    date: i64,
}

impl Vector {
    fn read(vector: &Value) -> Self {
        let text = |name: &str| vector[name].as_str().unwrap().to_owned();
        let pairs = |name: &str| -> Vec<(String, String)> {
            let fields = vector[name].as_object().unwrap().iter();
            fields
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect()
        };
        let mut query: Vec<(String, String)> = pairs("query");
        let mut headers = pairs("headers");
        let date = match vector["authorization"].as_str() {
            Some(authorization) => {
                headers.push(("authorization".to_owned(), authorization.to_owned()));
                vector["headers"]["x-acs-date"].as_str().unwrap()
            }
            None => {
                headers.push(("host".to_owned(), text("host")));
                query.push(("Signature".to_owned(), text("signature")));
                vector["query"]["Timestamp"].as_str().unwrap()
            }
        };
        let id = text("access_key_id");
        let key = AccessKey {
            id: id.clone(),
            secret: text("access_key_secret"),
            security_token: vector["security_token"].as_str().map(str::to_owned),
        };
        let known = KnownKey {
            key,
            account: "account".to_owned(),
            expires: None,
            inactive: false,
            issued: None,
        };
        Self {
            name: text("name"),
            request: Request {
                method: text("method"),
                path: "/".to_owned(),
                query: write_query(&query),
                headers,
                body: text("body").into_bytes(),
            },
            keys: HashMap::from([(id, known)]),
            date: parse_utc(date).unwrap(),
        }
    }

    fn all() -> Vec<Self> {
        let text = include_str!("../../signature-vectors.json");
        let vectors: Vec<Value> = serde_json::from_str(text).unwrap();
        assert_eq!(vectors.len(), 7);
        vectors.iter().map(Self::read).collect()
    }

    fn verify(&self, request: &Request) -> Result<KnownKey, ApiError> {
        self.verify_at(request, self.date, &mut Nonces::default())
    }

    fn verify_at(&self, request: &Request, now: i64, nonces: &mut Nonces) -> Result<KnownKey, ApiError> {
        Verifier {
            keys: &self.keys,
            nonces,
            now,
            tolerance: 15 * MINUTE,
        }
        .verify(request)
    }

    fn is_v3(&self) -> bool {
        self.request.header("authorization").is_some()
    }

    fn code(&self, request: &Request) -> String {
        self.verify(request)
            .map_or_else(|error| error.code, |_| "accepted".to_owned())
    }
}

fn write_query(parameters: &[(String, String)]) -> String {
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

/// The same text with another last character.
fn altered(text: &str) -> String {
    let mut altered: String = text
        .chars()
        .take(text.chars().count().saturating_sub(1))
        .collect();
    altered.push(if text.ends_with('0') { '1' } else { '0' });
    altered
}

#[test]
fn every_vector_passes() {
    for vector in Vector::all() {
        let known = vector.verify(&vector.request);
        assert_eq!(
            known.map(|known| known.account),
            Ok("account".to_owned()),
            "{}",
            vector.name
        );
    }
}

#[test]
fn the_order_and_spelling_of_what_is_sent_do_not_matter() {
    for vector in Vector::all() {
        let mut request = vector.request.clone();
        request.headers.reverse();
        for (name, value) in &mut request.headers {
            if name != "authorization" && name != "content-type" {
                *value = format!("  {value} ");
            }
        }
        let mut query = pairs(&request.query);
        query.reverse();
        request.query = write_query(&query)
            .replace("%2B", "%2b")
            .replace("%20", "+")
            .replace('~', "%7E");
        request
            .headers
            .push(("accept".to_owned(), "application/json".to_owned()));
        assert_eq!(vector.code(&request), "accepted", "{}", vector.name);
    }
}

#[test]
fn every_change_of_the_request_is_noticed() {
    for vector in Vector::all() {
        let original = &vector.request;
        let mut changed = Vec::new();
        let other_method = if original.method == "GET" { "POST" } else { "GET" };
        changed.push((
            "method",
            Request {
                method: other_method.to_owned(),
                ..original.clone()
            },
        ));
        let query = pairs(&original.query);
        for index in 0..query.len() {
            let with = |change: &dyn Fn(&mut Pairs)| {
                let mut query = query.clone();
                change(&mut query);
                Request {
                    query: write_query(&query),
                    ..original.clone()
                }
            };
            changed.push(("value", with(&|query| query[index].1 = altered(&query[index].1))));
            changed.push(("name", with(&|query| query[index].0 = altered(&query[index].0))));
            changed.push(("missing", with(&|query| drop(query.remove(index)))));
            changed.push(("twice", with(&|query| query.push(query[index].clone()))));
        }
        let more = format!("{}&Extra=1", original.query)
            .trim_start_matches('&')
            .to_owned();
        changed.push((
            "more",
            Request {
                query: more,
                ..original.clone()
            },
        ));
        if vector.is_v3() {
            changed.push((
                "path",
                Request {
                    path: "/other".to_owned(),
                    ..original.clone()
                },
            ));
            let body = [original.body.as_slice(), b"x"].concat();
            changed.push((
                "body",
                Request {
                    body,
                    ..original.clone()
                },
            ));
            for index in 0..original.headers.len() {
                let with = |change: &dyn Fn(&mut Pairs)| {
                    let mut request = original.clone();
                    change(&mut request.headers);
                    request
                };
                changed.push((
                    "header",
                    with(&|headers| headers[index].1 = altered(&headers[index].1)),
                ));
                changed.push(("no header", with(&|headers| drop(headers.remove(index)))));
                let again = |headers: &mut Vec<(String, String)>| headers.push(headers[index].clone());
                if original.headers[index].0 != "authorization" {
                    changed.push(("header twice", with(&again)));
                }
            }
        }
        for (what, request) in changed {
            let code = vector.code(&request);
            assert_ne!(code, "accepted", "{}: {what} {request:?}", vector.name);
        }
    }
}

#[test]
fn every_character_of_a_signature_counts() {
    for vector in Vector::all().into_iter().filter(Vector::is_v3) {
        let header = vector.request.header("authorization").unwrap().to_owned();
        let begin = header.rfind('=').unwrap() + 1;
        for position in begin..header.len() {
            let mut bytes = header.clone().into_bytes();
            bytes[position] = if bytes[position] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(bytes).unwrap();
            assert_eq!(
                vector.code(&with_authorization(&vector, forged)),
                "SignatureDoesNotMatch"
            );
        }
        for forged in [
            format!("{header}0"),
            header[..header.len() - 1].to_owned(),
            String::new(),
        ] {
            assert_eq!(
                vector.code(&with_authorization(&vector, forged)),
                "SignatureDoesNotMatch"
            );
        }
    }
}

#[test]
fn what_must_be_signed_cannot_be_left_out() {
    for vector in Vector::all().into_iter().filter(Vector::is_v3) {
        let mut extra = vector.request.clone();
        extra
            .headers
            .push(("x-acs-retry-attempts".to_owned(), "1".to_owned()));
        assert_eq!(
            vector.code(&extra),
            "SignatureDoesNotMatch",
            "an unsigned x-acs- header"
        );

        // Signed rightly, but over fewer headers than there must be.
        let secret = &vector.keys.values().next().unwrap().key.secret;
        let header = vector.request.header("authorization").unwrap();
        let names = header
            .split("SignedHeaders=")
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap();
        for left_out in names.split(';') {
            let kept: Vec<&str> = names.split(';').filter(|name| *name != left_out).collect();
            let signed = v3::tests::authorize(&vector.request, secret, &kept.join(";"));
            assert_eq!(
                vector.code(&signed),
                "SignatureDoesNotMatch",
                "{left_out} is not signed"
            );
        }
        let all = v3::tests::authorize(&vector.request, secret, names);
        assert_eq!(vector.code(&all), "accepted");
        let mut reversed: Vec<&str> = names.split(';').collect();
        reversed.reverse();
        let unsorted = v3::tests::authorize(&vector.request, secret, &reversed.join(";"));
        assert_eq!(vector.code(&unsorted), "SignatureDoesNotMatch", "not sorted");
    }
}

#[test]
fn the_message_of_a_mismatch_holds_what_the_server_signed() {
    let text: Vec<Value> = serde_json::from_str(include_str!("../../signature-vectors.json")).unwrap();
    for (vector, source) in Vector::all().into_iter().zip(text) {
        let mut vector = vector;
        vector.keys.values_mut().next().unwrap().key.secret.push('x');
        let error = vector.verify(&vector.request).unwrap_err();
        assert_eq!(
            (error.status, error.code.as_str()),
            (400, "SignatureDoesNotMatch")
        );
        assert!(
            error.message.contains(source["string_to_sign"].as_str().unwrap()),
            "{}",
            error.message
        );
    }
}

#[test]
fn a_date_is_good_for_fifteen_minutes_either_way() {
    for vector in Vector::all() {
        let at = |now| {
            let verified = vector.verify_at(&vector.request, now, &mut Nonces::default());
            verified.map_or_else(|error| error.code, |_| "accepted".to_owned())
        };
        for off in [-15 * MINUTE, 0, 15 * MINUTE] {
            assert_eq!(at(vector.date + off), "accepted", "{off}");
        }
        for off in [-15 * MINUTE - 1, 15 * MINUTE + 1, 86_400] {
            assert_eq!(at(vector.date + off), "InvalidTimeStamp.Expired", "{off}");
        }
    }
}

#[test]
fn a_nonce_is_good_once() {
    for vector in Vector::all() {
        let mut nonces = Nonces::default();
        assert!(
            vector
                .verify_at(&vector.request, vector.date, &mut nonces)
                .is_ok()
        );
        let again = vector
            .verify_at(&vector.request, vector.date, &mut nonces)
            .unwrap_err();
        assert_eq!((again.status, again.code.as_str()), (400, "SignatureNonceUsed"));
    }
    let mut nonces = Nonces {
        limit: 2,
        ..Nonces::default()
    };
    for nonce in ["a", "b", "c"] {
        assert!(nonces.is_new("id", nonce));
    }
    assert!(
        !nonces.is_new("id", "c") && !nonces.is_new("id", "b"),
        "the last ones are kept"
    );
    assert_eq!((nonces.seen.len(), nonces.order.len()), (2, 2), "and no more");
}

#[test]
fn keys_and_tokens_must_be_those_that_are_known() {
    for mut vector in Vector::all() {
        let request = vector.request.clone();
        let id = vector.keys.keys().next().unwrap().clone();
        let original = vector.keys[&id].clone();
        let date = vector.date;
        let set = |vector: &mut Vector, known: KnownKey| drop(vector.keys.insert(id.clone(), known));
        let token = original.key.security_token.clone();

        set(
            &mut vector,
            KnownKey {
                inactive: true,
                ..original.clone()
            },
        );
        assert_eq!(vector.code(&request), "InvalidAccessKeyId.Inactive");

        let with_token = |token: &str| AccessKey {
            security_token: Some(token.to_owned()),
            ..original.key.clone()
        };
        set(
            &mut vector,
            KnownKey {
                key: with_token("another"),
                ..original.clone()
            },
        );
        let other = if token.is_some() {
            "InvalidSecurityToken.Malformed"
        } else {
            "MissingSecurityToken"
        };
        assert_eq!(vector.code(&request), other);

        if let Some(token) = token {
            set(
                &mut vector,
                KnownKey {
                    expires: Some(date),
                    ..original.clone()
                },
            );
            assert_eq!(vector.code(&request), "InvalidSecurityToken.Expired");
            set(
                &mut vector,
                KnownKey {
                    expires: Some(date + 1),
                    ..original.clone()
                },
            );
            assert_eq!(vector.code(&request), "accepted");
            let plain = AccessKey {
                security_token: None,
                ..original.key.clone()
            };
            set(
                &mut vector,
                KnownKey {
                    key: plain,
                    ..original.clone()
                },
            );
            assert_eq!(
                vector.code(&request),
                "InvalidSecurityToken.MismatchWithAccessKey"
            );
            set(
                &mut vector,
                KnownKey {
                    key: with_token("another"),
                    ..original.clone()
                },
            );
            let owner = AccessKey {
                id: "owner".to_owned(),
                ..with_token(&token)
            };
            vector.keys.insert(
                "owner".to_owned(),
                KnownKey {
                    key: owner,
                    ..original.clone()
                },
            );
            assert_eq!(
                vector.code(&request),
                "InvalidSecurityToken.MismatchWithAccessKey"
            );
        }
        vector.keys.clear();
        let error = vector.verify(&request).unwrap_err();
        assert_eq!(
            (error.status, error.code.as_str()),
            (404, "InvalidAccessKeyId.NotFound")
        );
    }
}

fn with_authorization(vector: &Vector, value: String) -> Request {
    let mut request = vector.request.clone();
    request.headers.retain(|(name, _)| name != "authorization");
    request.headers.push(("authorization".to_owned(), value));
    request
}
