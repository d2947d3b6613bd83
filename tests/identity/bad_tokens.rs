//! Tokens that must be refused, each for its own reason; every one but for its flaw is accepted.
//! Each is held against the verification alone, and sent to the whole service.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use bappy::identity::{LEEWAY_S, Refusal, TOKEN_BYTES_MAX, TokenError};
use bappy::sandbox::identity::{SigningAlgorithm, SigningKey};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

use crate::support::keys::{self, with, without};
use crate::support::setting::{Setting, es256_token_of, token_of};

#[tokio::test]
async fn an_algorithm_other_than_the_four_is_refused() {
    let oct = json!({"kty": "oct", "kid": "oct", "alg": "HS256", "k": BASE64.encode([7; 32])});
    let setting = Setting::new(vec![oct]);
    let payload = setting.claims.to_string();
    let unsigned = |header: Value| token_of(&header.to_string(), &payload, |_| Vec::new());
    let hs256 = |kid: &str, secret: &[u8]| {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let header = json!({"alg": "HS256", "kid": kid}).to_string();
        token_of(&header, &payload, |message| hmac::sign(&secret, message).as_ref().to_vec())
    };
    let modulus = BASE64.decode(keys::RS256.jwk()["n"].as_str().unwrap()).unwrap();
    let jwk = keys::RS256.jwk().to_string();
    let pem = pem_of(&modulus);
    let rs256 = &keys::RS256;
    setting
        .assert_refused(vec![
            ("none", Refusal::Algorithm, unsigned(json!({"alg": "none"}))),
            (
                "none with a kid",
                Refusal::Algorithm,
                unsigned(json!({"alg": "none", "kid": rs256.kid()})),
            ),
            ("None", Refusal::Algorithm, unsigned(json!({"alg": "None"}))),
            ("no alg", Refusal::Algorithm, unsigned(json!({"typ": "JWT"}))),
            ("alg not text", Refusal::Algorithm, unsigned(json!({"alg": ["ES256"]}))),
            ("HS256, public key as secret", Refusal::Algorithm, hs256(rs256.kid(), &modulus)),
            ("HS256, JWK as secret", Refusal::Algorithm, hs256(rs256.kid(), jwk.as_bytes())),
            ("HS256, published secret", Refusal::Algorithm, hs256("oct", &[7; 32])),
            ("HS512", Refusal::Algorithm, setting.headed(rs256, &json!({"alg": "HS512"}))),
            ("RS384", Refusal::Algorithm, setting.headed(rs256, &json!({"alg": "RS384"}))),
            ("RS512", Refusal::Algorithm, setting.headed(rs256, &json!({"alg": "RS512"}))),
            ("PS512", Refusal::Algorithm, setting.headed(rs256, &json!({"alg": "PS512"}))),
            ("ES384", Refusal::Algorithm, setting.headed(&keys::ES256, &json!({"alg": "ES384"}))),
            ("lower case", Refusal::Algorithm, setting.headed(rs256, &json!({"alg": "rs256"}))),
            (
                "trailing space",
                Refusal::Algorithm,
                setting.headed(rs256, &json!({"alg": "RS256 "})),
            ),
            (
                "RS256 and NUL",
                Refusal::Algorithm,
                setting.headed(rs256, &json!({"alg": "RS256\0"})),
            ),
            ("HS256, PEM as secret", Refusal::Algorithm, hs256(rs256.kid(), pem.as_bytes())),
            ("HS256, empty secret", Refusal::Algorithm, hs256(rs256.kid(), b"")),
            ("RSA1_5", Refusal::Algorithm, setting.headed(rs256, &json!({"alg": "RSA1_5"}))),
            ("dir", Refusal::Algorithm, unsigned(json!({"alg": "dir"}))),
        ])
        .await;
}

/// A public RSA key as a file has it, for who takes such a file as a shared secret.
fn pem_of(modulus: &[u8]) -> String {
    // RSAPublicKey (RFC 8017, A.1.1) of 2048 bits with the exponent 65537.
    let mut der = vec![0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00];
    der.extend_from_slice(modulus);
    der.extend_from_slice(&[0x02, 0x03, 0x01, 0x00, 0x01]);
    let text = base64::prelude::BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|l| str::from_utf8(l).unwrap()).collect();
    let name = "RSA PUBLIC KEY";
    format!("-----BEGIN {name}-----\n{}\n-----END {name}-----\n", lines.join("\n"))
}

#[tokio::test]
async fn a_header_that_brings_its_own_key_or_must_be_understood_is_refused() {
    let setting = Setting::new(vec![]);
    let attacker = keys::key(SigningAlgorithm::ES256);
    let elsewhere = format!("{}/attacker", setting.provider.issuer());
    let headed = |changes: Value| setting.headed(&attacker, &changes);
    let good_key = |changes: Value| setting.headed(&keys::ES256, &changes);
    setting
        .assert_refused(vec![
            ("jwk", Refusal::ForbiddenHeader("jwk"), headed(json!({"jwk": attacker.jwk()}))),
            ("jku", Refusal::ForbiddenHeader("jku"), headed(json!({"jku": elsewhere}))),
            ("x5u", Refusal::ForbiddenHeader("x5u"), headed(json!({"x5u": elsewhere}))),
            ("x5c", Refusal::ForbiddenHeader("x5c"), headed(json!({"x5c": ["MIIB"]}))),
            (
                "own jwk",
                Refusal::ForbiddenHeader("jwk"),
                good_key(json!({"jwk": keys::ES256.jwk()})),
            ),
            ("empty jwk", Refusal::ForbiddenHeader("jwk"), good_key(json!({"jwk": {}}))),
            ("null jku", Refusal::ForbiddenHeader("jku"), good_key(json!({"jku": null}))),
            ("crit", Refusal::ForbiddenHeader("crit"), good_key(json!({"crit": ["exp"]}))),
            (
                "unknown crit",
                Refusal::ForbiddenHeader("crit"),
                good_key(json!({"crit": ["x"], "x": 1})),
            ),
            ("empty crit", Refusal::ForbiddenHeader("crit"), good_key(json!({"crit": []}))),
            ("null crit", Refusal::ForbiddenHeader("crit"), good_key(json!({"crit": null}))),
            (
                "b64",
                Refusal::ForbiddenHeader("crit"),
                good_key(json!({"crit": ["b64"], "b64": false})),
            ),
            ("zip", Refusal::ForbiddenHeader("zip"), good_key(json!({"zip": "DEF"}))),
            ("typ JWE", Refusal::HeaderType, good_key(json!({"typ": "JWE"}))),
            ("typ of a logout token", Refusal::HeaderType, good_key(json!({"typ": "logout+jwt"}))),
            ("typ empty", Refusal::HeaderType, good_key(json!({"typ": ""}))),
            ("typ not text", Refusal::HeaderType, good_key(json!({"typ": 1}))),
        ])
        .await;
}

#[tokio::test]
async fn a_key_that_is_unknown_or_of_another_type_is_refused() {
    let random = SystemRandom::new();
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let (x, y) = p384.public_key().as_ref()[1..].split_at(48);
    let small = keys::key(SigningAlgorithm::RS256).jwk()["n"].as_str().unwrap()[..170].to_owned();
    let setting = Setting::new(vec![
        json!({"kty": "EC", "crv": "P-384", "kid": "p384", "x": BASE64.encode(x), "y": BASE64.encode(y)}),
        json!({"kty": "RSA", "kid": "small", "n": small, "e": "AQAB"}),
        json!({"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"}),
        json!({"kty": "AKP", "kid": "future", "alg": "ML-DSA-44"}),
        json!("not a key"),
        with(keys::ES256.jwk(), &json!({"kid": "enc", "use": "enc"})),
        with(keys::ES256.jwk(), &json!({"kid": "signs-only", "key_ops": ["sign"]})),
        with(keys::PS256.jwk(), &json!({"kid": "ps-as-rs", "alg": "RS256"})),
        with(keys::RS256.jwk(), &json!({"kid": "rs-as-oaep", "alg": "RSA-OAEP"})),
        with(keys::ES256.jwk(), &json!({"kid": "es-as-ed", "alg": "EdDSA"})),
        with(keys::ES256.jwk(), &json!({"kid": "off-curve", "y": keys::ES256.jwk()["x"]})),
    ]);
    let payload = setting.claims.to_string();
    let p384_token = |alg: &str| {
        let header = json!({"alg": alg, "kid": "p384"}).to_string();
        token_of(&header, &payload, |m| p384.sign(&random, m).unwrap().as_ref().to_vec())
    };
    let kid = |key: &SigningKey, kid: &str| setting.headed(key, &json!({"kid": kid}));
    let attacker = keys::key(SigningAlgorithm::ES256);
    let (rs, ps, es, ed) = (&*keys::RS256, &*keys::PS256, &*keys::ES256, &*keys::EDDSA);
    setting
        .assert_refused(vec![
            ("unknown kid", Refusal::UnknownKey, kid(es, "nobody")),
            ("empty kid", Refusal::UnknownKey, kid(es, "")),
            ("path-like kid", Refusal::UnknownKey, kid(es, "../../../../dev/null")),
            ("kid of a URL", Refusal::UnknownKey, kid(es, "http://127.0.0.1:1/key")),
            ("kid with SQL", Refusal::UnknownKey, kid(es, "x' UNION SELECT 'secret")),
            ("kid with NUL", Refusal::UnknownKey, kid(es, "a\0b")),
            ("kid not text", Refusal::Malformed, setting.headed(es, &json!({"kid": 7}))),
            ("RS256 with an ES256 key's kid", Refusal::UnknownKey, kid(rs, es.kid())),
            ("ES256 with an RS256 key's kid", Refusal::UnknownKey, kid(es, rs.kid())),
            ("EdDSA with an ES256 key's kid", Refusal::UnknownKey, kid(ed, es.kid())),
            ("ES256 with an EdDSA key's kid", Refusal::UnknownKey, kid(es, ed.kid())),
            ("PS256 with a key for RS256", Refusal::UnknownKey, kid(ps, "ps-as-rs")),
            ("RS256 with a key for RSA-OAEP", Refusal::UnknownKey, kid(rs, "rs-as-oaep")),
            (
                "RS256 header over a PS256 key",
                Refusal::UnknownKey,
                setting.headed(ps, &json!({"alg": "RS256"})),
            ),
            ("alg of another type in the JWK", Refusal::UnknownKey, kid(es, "es-as-ed")),
            ("P-384 under ES384", Refusal::Algorithm, p384_token("ES384")),
            ("P-384 under ES256", Refusal::UnknownKey, p384_token("ES256")),
            ("RSA of 1020 bits", Refusal::UnknownKey, kid(rs, "small")),
            ("key for encryption", Refusal::UnknownKey, kid(es, "enc")),
            ("key not for verification", Refusal::UnknownKey, kid(es, "signs-only")),
            ("point off the curve", Refusal::Signature, kid(es, "off-curve")),
            ("another's signature", Refusal::Signature, kid(&attacker, es.kid())),
            ("another's signature, no kid", Refusal::Signature, {
                attacker.sign_with_header(&json!({"alg": "ES256"}), &setting.claims).unwrap()
            }),
        ])
        .await;
}

#[tokio::test]
async fn claims_that_do_not_hold_are_refused() {
    let setting = Setting::new(vec![]);
    let (now, leeway) = (setting.now, i64::from(LEEWAY_S));
    let issuer = setting.provider.issuer();
    let lacking = |name: &str| keys::ES256.sign(&without(setting.claims.clone(), name)).unwrap();
    let mut table = vec![
        ("no iss", Refusal::Issuer, lacking("iss")),
        ("no aud", Refusal::Audience, lacking("aud")),
        ("no exp", Refusal::TimeClaim("exp"), lacking("exp")),
    ];
    let flaws = [
        ("another iss", Refusal::Issuer, json!({"iss": "https://id.example.com/realms/platform"})),
        ("iss with a slash more", Refusal::Issuer, json!({"iss": format!("{issuer}/")})),
        ("iss in capitals", Refusal::Issuer, json!({"iss": issuer.to_uppercase()})),
        ("iss in an array", Refusal::Issuer, json!({"iss": [issuer]})),
        ("iss null", Refusal::Issuer, json!({"iss": null})),
        ("another aud", Refusal::Audience, json!({"aud": "accounts"})),
        ("aud without ours", Refusal::Audience, json!({"aud": ["a", "b"]})),
        ("aud empty", Refusal::Audience, json!({"aud": []})),
        ("aud an object", Refusal::Audience, json!({"aud": {"account": true}})),
        ("exp as text", Refusal::TimeClaim("exp"), json!({"exp": (now + 60).to_string()})),
        ("exp 1e300", Refusal::TimeClaim("exp"), json!({"exp": 1e300})),
        ("exp u64::MAX", Refusal::TimeClaim("exp"), json!({"exp": u64::MAX})),
        ("exp i64::MAX", Refusal::TimeClaim("exp"), json!({"exp": i64::MAX})),
        ("exp negative", Refusal::TimeClaim("exp"), json!({"exp": -1})),
        ("exp null", Refusal::TimeClaim("exp"), json!({"exp": null})),
        ("exp true", Refusal::TimeClaim("exp"), json!({"exp": true})),
        ("exp in an array", Refusal::Malformed, json!({"exp": [now + 60]})),
        ("exp 0", Refusal::Expired, json!({"exp": 0})),
        ("expired", Refusal::Expired, json!({"exp": now - 3_600})),
        ("expired past the leeway", Refusal::Expired, json!({"exp": now - leeway})),
        ("nbf in the future", Refusal::NotYetValid, json!({"nbf": now + 3_600})),
        // Far enough past it for the service's own clock, which goes on meanwhile.
        ("nbf past the leeway", Refusal::NotYetValid, json!({"nbf": now + leeway + 30})),
        ("nbf as text", Refusal::TimeClaim("nbf"), json!({"nbf": "yesterday"})),
        ("nbf 1e300", Refusal::TimeClaim("nbf"), json!({"nbf": 1e300})),
        ("an ID token", Refusal::TokenType, json!({"typ": "ID"})),
        ("a refresh token", Refusal::TokenType, json!({"typ": "Refresh"})),
        ("typ not text", Refusal::TokenType, json!({"typ": ["Bearer"]})),
        ("iss and a space", Refusal::Issuer, json!({"iss": format!("{issuer} ")})),
        ("iss and a query", Refusal::Issuer, json!({"iss": format!("{issuer}?")})),
        ("aud a number", Refusal::Audience, json!({"aud": 0})),
        ("aud null", Refusal::Audience, json!({"aud": null})),
        ("aud in capitals", Refusal::Audience, json!({"aud": "ACCOUNT"})),
        ("aud within text", Refusal::Audience, json!({"aud": "account other"})),
        ("aud in an array in an array", Refusal::Audience, json!({"aud": [["account"]]})),
        ("exp in milliseconds", Refusal::TimeClaim("exp"), json!({"exp": (now + 60) * 1_000})),
        ("exp an object", Refusal::Malformed, json!({"exp": {"$date": now + 60}})),
        ("nbf true", Refusal::TimeClaim("nbf"), json!({"nbf": true})),
        ("nbf negative", Refusal::TimeClaim("nbf"), json!({"nbf": -1})),
    ];
    table.extend(flaws.map(|(flaw, refusal, change)| (flaw, refusal, setting.claiming(&change))));
    setting.assert_refused(table).await;
    // To the second, on a clock that stands still.
    let early = setting.claiming(&json!({"nbf": now + leeway + 1}));
    let outcome = setting.identity.verify(&early).await;
    assert_eq!(outcome, Err(TokenError::Invalid(Refusal::NotYetValid)));
}

#[tokio::test]
async fn a_token_that_is_no_sound_jws_is_refused() {
    let setting = Setting::new(vec![]);
    let good = setting.claiming(&json!({}));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let other = setting.claiming(&json!({"org_id": "globex"}));
    let other_payload = other.split('.').nth(1).unwrap();
    let asn1 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let asn1 = asn1.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    let claims = setting.claims.to_string();
    let twice = claims.replacen('{', r#"{"exp": 1, "#, 1);
    let nan = claims.replacen('{', r#"{"nbf": NaN, "#, 1);
    let overflow = claims.replacen('{', r#"{"nbf": 1e999, "#, 1);
    let header_twice = format!(r#"{{"alg":"none","alg":"ES256","kid":"{}"}}"#, keys::ES256.kid());
    let es256 = |message: &[u8]| keys::ES256.signature(message).unwrap();
    let padded = format!("{header}=.{payload}.{signature}");
    let json_form = json!({"protected": header, "payload": payload, "signature": signature});
    let split = format!("{message}.{}\n{}", &signature[..40], &signature[40..]);
    // 64 octets leave four bits of the last character unused.
    let unused_bits = format!("{}{}", &good[..good.len() - 1], next_letter(&good));
    let deep = format!("{}{}", "[".repeat(3_000), "]".repeat(3_000));
    setting
        .assert_refused(vec![
            ("empty", Refusal::Malformed, String::new()),
            ("dots", Refusal::Malformed, "..".to_owned()),
            ("one part", Refusal::Malformed, header.to_owned()),
            ("two parts", Refusal::Malformed, message.to_owned()),
            ("four parts", Refusal::Malformed, format!("{good}.{signature}")),
            ("five parts, a JWE", Refusal::Malformed, format!("{good}.{header}.{header}")),
            ("no signature", Refusal::Signature, format!("{message}.")),
            ("truncated", Refusal::Signature, good[..good.len() - 2].to_owned()),
            (
                "payload of another",
                Refusal::Signature,
                format!("{header}.{other_payload}.{signature}"),
            ),
            ("zero signature", Refusal::Signature, format!("{message}.{}", BASE64.encode([0; 64]))),
            ("ASN.1 signature", Refusal::Signature, format!("{message}.{}", BASE64.encode(asn1))),
            ("padding", Refusal::Malformed, padded),
            ("space in front", Refusal::Malformed, format!(" {good}")),
            ("not base64url", Refusal::Malformed, format!("{header}.{payload}.+/+/")),
            ("header no object", Refusal::Malformed, token_of("[]", &claims, es256)),
            ("header not JSON", Refusal::Malformed, token_of("{", &claims, es256)),
            ("header deep", Refusal::Malformed, token_of(&deep, "{}", |_| vec![])),
            ("alg twice", Refusal::Malformed, token_of(&header_twice, &claims, es256)),
            ("payload no object", Refusal::Malformed, es256_token_of("[1]")),
            ("payload not JSON", Refusal::Malformed, es256_token_of("exp=1")),
            ("payload empty", Refusal::Malformed, es256_token_of("")),
            ("payload deep", Refusal::Malformed, es256_token_of(&deep)),
            ("exp twice", Refusal::Malformed, es256_token_of(&twice)),
            ("NaN", Refusal::Malformed, es256_token_of(&nan)),
            ("1e999", Refusal::Malformed, es256_token_of(&overflow)),
            (
                "huge",
                Refusal::TooLong,
                setting.claiming(&json!({"pad": "x".repeat(TOKEN_BYTES_MAX)})),
            ),
            ("JSON form", Refusal::Malformed, json_form.to_string()),
            ("line end within", Refusal::Malformed, split),
            ("unused bits set", Refusal::Malformed, unused_bits),
            ("byte order mark", Refusal::Malformed, es256_token_of(&format!("\u{feff}{claims}"))),
            ("comment", Refusal::Malformed, es256_token_of(&format!("{claims}//"))),
            ("two payloads", Refusal::Malformed, es256_token_of(&format!("{claims}{claims}"))),
            ("a token as payload", Refusal::Malformed, es256_token_of(&good)),
            ("order of the curve", Refusal::Signature, order_as_signature(message)),
            ("an octet more", Refusal::Signature, format!("{message}.{}", BASE64.encode([0; 65]))),
            ("huge garbage", Refusal::TooLong, ".".repeat(10_000_000)),
        ])
        .await;
}

/// A token's last character with its lowest bit, which stands for nothing, turned.
fn next_letter(token: &str) -> char {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = ALPHABET.find(token.chars().last().unwrap()).unwrap();
    ALPHABET.chars().nth(place ^ 1).unwrap()
}

/// r = s = n: zero modulo the order of P-256, which some libraries took for a signature of all.
fn order_as_signature(message: &str) -> String {
    let order: u128 = 0xffff_ffff_0000_0000_ffff_ffff_ffff_ffff;
    let rest: u128 = 0xbce6_faad_a717_9e84_f3b9_cac2_fc63_2551;
    let n = [order.to_be_bytes(), rest.to_be_bytes()].concat();
    format!("{message}.{}", BASE64.encode([n.clone(), n].concat()))
}

#[test]
fn what_a_caller_is_told_fits_in_a_header_and_quotes_nothing() {
    for refusal in [Refusal::TooLong, Refusal::ForbiddenHeader("jku"), Refusal::TimeClaim("exp")] {
        assert_eq!(refusal.error(), "invalid_token");
        let is_plain = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
        assert!(refusal.description().chars().all(is_plain));
    }
}
