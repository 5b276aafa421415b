//! Passwords, the cache of them, and what is known to go wrong with either. The names of rows are those of the
//! conformance table, as in the integration tests.

use super::*;

/// What [`DUMMY_HASH`] is a hash of.
const DUMMY_PASSWORD: &str = "no user has this password";

fn users(names: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    let hash = |password| {
        // The cheapest that bcrypt knows, in the form of htpasswd.
        bcrypt::hash_with_result(password, 4)
            .unwrap()
            .format_for_version(bcrypt::Version::TwoY)
    };
    names
        .iter()
        .map(|(user, password)| ((*user).to_owned(), Secret::new(hash(*password))))
        .collect()
}

fn basic(user: &str, password: &str) -> HeaderValue {
    HeaderValue::from_str(&format!(
        "Basic {}",
        STANDARD.encode(format!("{user}:{password}"))
    ))
    .unwrap()
}

async fn admits(auth: &Auth, users: &BTreeMap<String, Secret>, user: &str, password: &str) -> bool {
    auth.admits(users, Some(&basic(user, password))).await
}

#[tokio::test]
async fn h2_unknown_users_are_refused_with_the_password_of_the_dummy_hash() {
    assert!(bcrypt::verify(DUMMY_PASSWORD, DUMMY_HASH).unwrap());
    let (auth, users) = (Auth::default(), users(&[("alice", "wonderland")]));
    assert!(!admits(&auth, &users, "mallory", DUMMY_PASSWORD).await, "cold");
    assert!(!admits(&auth, &users, "mallory", DUMMY_PASSWORD).await, "cached");
    assert!(admits(&auth, &users, "alice", "wonderland").await);
}

#[tokio::test]
async fn h3_no_part_of_the_key_passes_for_another() {
    let (auth, users) = (Auth::default(), users(&[("alice", "wonderland")]));
    let hash = users["alice"].expose();
    assert!(!admits(&auth, &users, &format!("alice{hash}"), DUMMY_PASSWORD).await);
    assert!(!admits(&auth, &users, "alice", &format!("{DUMMY_HASH}{DUMMY_PASSWORD}")).await);
    let keys = [
        key("a", "b", "c"),
        key("ab", "", "c"),
        key("", "ab", "c"),
        key("a", "", "bc"),
    ];
    assert_eq!(
        keys.iter().collect::<std::collections::HashSet<_>>().len(),
        keys.len()
    );
}

#[test]
fn h4_the_cache_is_bounded() {
    let mut cache = Cache::default();
    let sizes: Vec<_> = (0..200_u8)
        .map(|number| {
            cache.insert([number; 32], false);
            cache.len()
        })
        .collect();
    let expected: Vec<_> = (1..=100)
        .chain(90..=100)
        .chain(90..=100)
        .cycle()
        .take(200)
        .collect();
    assert_eq!(sizes[..122], expected[..122]);
    assert!(sizes.iter().all(|size| *size <= 100));
}

#[test]
fn wrong_passwords_do_not_push_out_right_ones() {
    let mut cache = Cache::default();
    cache.insert([0; 32], true);
    for number in 1..=255 {
        cache.insert([number; 32], false);
    }
    assert_eq!(cache.get(&[0; 32]), Some(true));
}

#[tokio::test]
async fn x3_another_hash_or_no_user_counts_at_once() {
    let auth = Auth::default();
    let before = users(&[("alice", "wonderland")]);
    assert!(admits(&auth, &before, "alice", "wonderland").await);
    assert!(!admits(&auth, &users(&[("alice", "other")]), "alice", "wonderland").await);
    assert!(!admits(&auth, &users(&[("bob", "wonderland")]), "alice", "wonderland").await);
}

#[tokio::test]
async fn x17_only_basic_credentials_count() {
    let (auth, users) = (Auth::default(), users(&[("alice", "wonder:land")]));
    assert!(
        admits(&auth, &users, "alice", "wonder:land").await,
        "only the first colon divides"
    );
    let good = basic("alice", "wonder:land").to_str().unwrap().to_owned();
    let lower = HeaderValue::from_str(&good.replace("Basic", "basic")).unwrap();
    assert!(auth.admits(&users, Some(&lower)).await);
    let bad = [
        "",
        "Basic",
        "Basic ",
        "Basic !",
        "Bearer abc",
        "Basic YWxpY2U=",
        &good.replace("Basic", "Digest"),
    ];
    for value in bad {
        assert!(
            !auth
                .admits(&users, Some(&HeaderValue::from_str(value).unwrap()))
                .await,
            "{value}"
        );
    }
    assert!(!auth.admits(&users, None).await);
}
