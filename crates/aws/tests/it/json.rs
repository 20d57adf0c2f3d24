//! Bodies of ECR's calls as botocore writes them, changed.

use std::fmt;

use aws::{Blob, LargeMember, Malformed, from_json};
use mutate::Form;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::shapes::Input;

const BODIES: [&str; 7] = [
    r#"{"repositoryName": "team/app", "tags": [{"Key": "a", "Value": "b"}], "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION", "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "dev-*"}], "imageScanningConfiguration": {"scanOnPush": true}, "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "alias/x"}}"#,
    r#"{"repositoryName": "team/app", "imageIds": [{"imageTag": "latest"}, {"imageDigest": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}], "acceptedMediaTypes": ["application/vnd.oci.image.manifest.v1+json"]}"#,
    r#"{"repositoryName": "team/app", "uploadId": "u-1", "partFirstByte": 0, "partLastByte": 4, "layerPartBlob": "aGVsbG8="}"#,
    r#"{"repositoryName": "team/app", "lifecyclePolicyText": "{\"rules\":[]}    "}"#,
    r#"{"repositoryName": "team/app", "maxResults": 100, "filter": {"tagStatus": "TAGGED"}, "createdAt": 1795985927.5}"#,
    r#"{"attributes": {"a": {"scanOnPush": false}, "": {}}, "encryptionConfiguration": {"tags": [{}], "maxResults": null}}"#,
    "{}",
];

/// What serde would take and AWS does not: the values of a structure's members in a list.
fn has_structures_that_are_objects(document: &Value) {
    assert!(document.is_object(), "{document}");
    let attributes = document["attributes"].as_object().into_iter().flat_map(|attributes| attributes.values());
    let lists = ["tags", "imageIds"].map(|list| document[list].as_array()).into_iter().flatten().flatten();
    let mut structures = attributes.chain(lists).chain([&document["imageScanningConfiguration"]]);
    assert!(structures.all(|structure| structure.is_object() || structure.is_null()), "{document}");
    let inner = &document["encryptionConfiguration"];
    if !inner.is_null() {
        has_structures_that_are_objects(inner);
    }
}

#[test]
fn bodies() {
    mutate::inputs(Form::Json, &BODIES, 4_000, |body| {
        let read = from_json::<Input>(body);
        let by_serde = serde_json::from_slice::<Input>(body);
        match read {
            Ok(input) => {
                // No reader of JSON that takes it finds something else in it.
                assert_eq!(by_serde.ok().as_ref(), Some(&input));
                if let Ok(document) = serde_json::from_slice::<Value>(body) {
                    has_structures_that_are_objects(&document);
                }
                let written = serde_json::to_vec(&input).expect("JSON");
                assert_eq!(from_json::<Input>(&written).ok(), Some(input));
            }
            Err(error) => {
                assert_eq!(from_json::<Input>(body).expect_err("as before").to_string(), error.to_string());
                // Nothing else is refused that serde takes.
                assert!(by_serde.is_err() || body.contains(&b'['), "{error}");
            }
        }
    });
}

/// The members of an object in their order, however often a name is there.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = members.next_entry()? {
                    all.push(member);
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(All)
    }
}

const MEMBER: &str = "layerPartBlob";

/// The content of a member and the rest of a document that comes in pieces of `step` bytes.
fn take_out(document: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
    let (mut content, mut rest) = (Vec::new(), Vec::new());
    let mut reader = LargeMember::new(MEMBER);
    for piece in document.chunks(step) {
        reader.take(piece, &mut content, &mut rest)?;
    }
    Ok((content, rest))
}

#[test]
fn a_large_member_is_taken_out_of_any_document() {
    mutate::inputs(Form::Json, &BODIES, 2_000, |document| {
        let taken = take_out(document, document.len().max(1));
        for step in [1, 2, 3, 7, 64] {
            assert_eq!(take_out(document, step), taken, "in pieces of {step} bytes");
        }
        if let Ok((content, rest)) = &taken {
            assert!(content.len() + rest.len() <= document.len());
        }
        let Ok(Members(members)) = serde_json::from_slice(document) else {
            // What is no JSON does not become JSON, and so is refused by whoever reads the rest.
            let is_other = |(_, rest): &(_, Vec<u8>)| serde_json::from_slice::<Members>(rest).is_err();
            assert!(taken.as_ref().is_ok_and(is_other) || taken.is_err());
            return;
        };
        let mut expected = Ok(Vec::new());
        for (_, value) in members.iter().filter(|(name, value)| name == MEMBER && value.is_string()) {
            let decoded = Blob::deserialize(value).map_err(|_| Malformed);
            expected = expected.and_then(|so_far: Vec<u8>| Ok([so_far, decoded?.0].concat()));
        }
        assert_eq!(taken.clone().map(|(content, _)| content), expected);
        let Ok((_, rest)) = taken else { return };
        let Members(left) = serde_json::from_slice(&rest).expect("what was JSON");
        let emptied = members.into_iter().map(|(name, value)| {
            let is_taken = name == MEMBER && value.is_string();
            (name, if is_taken { Value::from("") } else { value })
        });
        assert_eq!(left, emptied.collect::<Vec<_>>());
    });
}
